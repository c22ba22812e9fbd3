import { type ProviderRuleOf, type ProviderType, rulesSchema } from '../../config/schema.ts'
import { CredentialError, type OutgoingRequest, type Provider, type Secrets } from './provider.ts'

/** Helpers that the tests of this folder share. */

/** A provider's rule as the schema fills it in. */
export function ruleOf<T extends ProviderType>(rule: { type: T } & Record<string, unknown>): ProviderRuleOf<T> {
  const rules = rulesSchema.parse({ providers: { p: rule }, models: {} })
  return rules.providers.p as ProviderRuleOf<T>
}

/** A reference to an environment variable, as the rules write it. */
export const env = (name: string): string => `\${env:${name}}`

/** Secrets from a table; changing the table rotates them. */
export function secretsOf(table: Record<string, string>): Secrets {
  return {
    resolve(reference) {
      const value = table[reference]
      if (value === undefined) throw new CredentialError(`${reference} is not set`)
      return value
    },
  }
}

/** A request to a provider, ready to be authorized. */
export function requestTo(provider: Provider, path: string, body = '{}'): OutgoingRequest {
  return {
    method: 'POST',
    scheme: provider.scheme,
    authority: provider.authority,
    path,
    headers: {},
    body: new TextEncoder().encode(body),
  }
}
