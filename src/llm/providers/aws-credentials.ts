import type { ProviderRuleOf } from '../../config/schema.ts'
import { resolveSecret } from './headers.ts'
import { CredentialError, type Secrets } from './provider.ts'
import { type Fresh, Refreshing } from './refreshing.ts'

/** What a signature is made with. */
export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** Gives AWS credentials: at once where they are at hand. */
export type AwsCredentialSource = () => AwsCredentials | Promise<AwsCredentials>

/**
 * Where a Bedrock rule takes its credentials from: its own references, read at each request so that they rotate; else
 * the named profile; else AWS's default chain (environment, shared files, SSO, web identity, container, instance).
 * The chain's libraries are loaded when first needed; what it gives is kept until shortly before it expires, and
 * without an end is looked up again every five minutes.
 * @throws {RangeError} where only one of the two keys is given
 */
export function awsCredentials(name: string, rule: ProviderRuleOf<'bedrock'>, secrets: Secrets): AwsCredentialSource {
  const { accessKeyId, secretAccessKey, sessionToken } = rule
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return () => ({
      accessKeyId: resolveSecret(name, accessKeyId, secrets),
      secretAccessKey: resolveSecret(name, secretAccessKey, secrets),
      ...(sessionToken !== undefined && { sessionToken: resolveSecret(name, sessionToken, secrets) }),
    })
  if (accessKeyId !== undefined || secretAccessKey !== undefined || sessionToken !== undefined)
    throw new RangeError(`providers.${name}: accessKeyId and secretAccessKey belong together`)
  const { profile, region } = rule
  const from = profile === undefined ? 'the default credential chain' : `profile ${profile}`
  const kept = new Refreshing(() => fromChain(profile, region), {
    early: 300_000,
    keep: 300_000,
    pause: 2000,
    timeout: 20_000,
  })
  return () => {
    const credentials = kept.get()
    if (!(credentials instanceof Promise)) return credentials
    return credentials.catch((error: unknown) => {
      const reason = error instanceof Error ? error.message.split('\n', 1)[0]!.slice(0, 300) : String(error)
      throw new CredentialError(`provider ${name}: no AWS credentials from ${from}: ${reason}`)
    })
  }
}

/** Asks anew each time: neither the chain's own memory nor the one of the shared files is used. */
async function fromChain(profile: string | undefined, region: string): Promise<Fresh<AwsCredentials>> {
  const { fromIni, fromNodeProviderChain } = await import('@aws-sdk/credential-providers')
  const options = { ignoreCache: true, clientConfig: { region } }
  const load = profile === undefined ? fromNodeProviderChain(options) : fromIni({ ...options, profile })
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await load()
  const value = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
  return expiration ? { value, expires: expiration.getTime() } : { value }
}
