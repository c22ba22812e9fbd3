import { ApiError } from '../errors.ts'
import { type ClientHeaders, CredentialError, type Secrets } from './provider.ts'

/** What a header's value may hold without doubt: visible ASCII. */
const visible = /^[\x21-\x7e]+$/

/**
 * Reads a secret that is to become (part of) a header's value.
 * @param provider the provider's name in the rules
 * @throws {CredentialError} where it is missing, or holds blanks, control or other characters that would break the
 *   header; the message names provider and reference, never the value.
 */
export function secretHeader(
  provider: string,
  reference: string,
  secrets: Secrets,
  client: ClientHeaders = {},
): string {
  const value = reference === callersOwn ? callersKey(provider, client) : resolveSecret(provider, reference, secrets)
  if (!visible.test(value))
    throw new CredentialError(
      `provider ${provider}: ${reference} holds characters that a header cannot carry; it should be the bare key, on one line`,
    )
  return value
}

/**
 * Reads a secret.
 * @throws {CredentialError} naming provider and reference
 */
export function resolveSecret(provider: string, reference: string, secrets: Secrets): string {
  try {
    return secrets.resolve(reference)
  } catch (error) {
    if (error instanceof CredentialError) throw new CredentialError(`provider ${provider}: ${error.message}`)
    throw error
  }
}

/**
 * Checks plain text of the rules that becomes a header's value: an organization, a version.
 * @throws {RangeError} where it cannot be one
 */
export function plainHeader(provider: string, field: string, value: string): string {
  if (!visible.test(value))
    throw new RangeError(`providers.${provider}.${field}: must be visible ASCII characters without blanks`)
  return value
}

/** Copies headers of the client that the provider understands, where the client sent them. */
export function passHeaders(names: readonly string[], client: ClientHeaders, headers: Record<string, string>): void {
  for (const name of names) {
    const value = client[name]
    if (value !== undefined) headers[name] = value
  }
}

/** A provider's `apiKey` that passes the caller's own key on. */
const callersOwn = '${client}'

function callersKey(provider: string, { credential }: ClientHeaders): string {
  if (credential !== undefined) return credential
  throw new ApiError(
    401,
    'authentication_error',
    `The provider ${provider} is used with your own key here. Show it where your SDK takes its API key.`,
    { code: 'missing_provider_key' },
  )
}
