import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Identity, IdentityKind } from '../../identity/identity.ts'
import { isObject, type JsonObject } from '../../json.ts'
import { invalidParams } from '../errors.ts'
import type { Asker } from '../front/account.ts'
import type { A2aVersion } from '../operations.ts'

/** A client's callback, with all that has to be known to deliver to it long after the call that brought it. */
export interface Registration {
  /** The agent's name in the rules. */
  readonly agent: string
  /** Whose it is, as `ownerKey` spells it. */
  readonly owner: string
  /** What the client calls it. */
  readonly config: string
  readonly url: string
  readonly token?: string | undefined
  readonly authentication?: Authentication | undefined
  /** What the client speaks. */
  readonly version: A2aVersion
  /** SHA-256 of what the agent has to show, base64url. */
  readonly proof: string
  /** Who asked for it, for the guards. */
  readonly asker: {
    readonly listener: string
    readonly path: string
    readonly identity: Omit<Identity, 'mayUseModel' | 'mayUseServer'>
  }
}

/** How the client wants to be shown who calls it. */
export interface Authentication {
  /** Of HTTP: `Bearer`, `Basic`, … */
  readonly scheme: string
  readonly credentials?: string | undefined
}

const longestText = 8192

/**
 * What a client's config says, in the neutral form.
 * @throws {A2aError} where it cannot be put into headers, or has an id that is too long
 */
export function readConfig(config: JsonObject, path: string): Pick<Registration, 'url' | 'token' | 'authentication'> {
  const { url, token, authentication } = config
  const shown = isObject(authentication) ? authentication : undefined
  const scheme = header(shown?.scheme, `${path}authentication.scheme`)
  if (scheme !== undefined && !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(scheme))
    throw invalidParams(`${path}authentication.scheme`, 'must be one of HTTP: Bearer, Basic, …')
  const credentials = header(shown?.credentials, `${path}authentication.credentials`)
  return {
    url: String(url),
    token: header(token, `${path}token`),
    authentication: scheme === undefined ? undefined : { scheme, credentials },
  }
}

function header(value: unknown, path: string): string | undefined {
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string' || value.length > longestText || !/^[\x20-\x7e]+$/.test(value))
    throw invalidParams(path, `must be at most ${longestText} visible characters of ASCII: it is sent in a header`)
  return value
}

/** The config as its client knows it, in the neutral form. */
export function configOf({ config, url, token, authentication }: Registration, taskId: string): JsonObject {
  return {
    ...{ taskId, id: config, url },
    ...(token !== undefined && { token }),
    ...(authentication && { authentication: { ...authentication } }),
  }
}

/** What an agent has to show: 256 random bits, and what is kept of them. */
export function newCredential(): { credential: string; proof: string } {
  const credential = randomBytes(32).toString('base64url')
  return { credential, proof: proofOf(credential) }
}

function proofOf(credential: string): string {
  return createHash('sha256').update(credential).digest('base64url')
}

/** @param shown what the agent shows, in any of the places where it may. @returns whether that is it, taking the same time always */
export function proves(shown: readonly string[], proof: string): boolean {
  const wanted = Buffer.from(proof)
  let right = false
  for (const each of shown) {
    const given = Buffer.from(proofOf(each))
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) right = true
  }
  return right
}

/** What is kept of who asked. @returns it as JSON has it */
export function askerOf({ listener, path, identity }: Asker): Registration['asker'] {
  const { mayUseModel: _, mayUseServer: __, ...kept } = identity
  return { listener, path, identity: kept }
}

/** Who asked, for what is asked in its name later. */
export function askerFrom({ listener, path, identity }: Registration['asker'], requestId: string): Asker {
  const never = () => false
  return {
    ...{ requestId, listener, path, token: undefined, bytes: 0, arrived: performance.now() },
    identity: { ...identity, kind: identity.kind as IdentityKind, mayUseModel: never, mayUseServer: never },
  }
}

/** @returns undefined where what was opened is no registration */
export function readRegistration(value: unknown): Registration | undefined {
  if (!isObject(value) || !isObject(value.asker)) return undefined
  const texts = [value.agent, value.owner, value.config, value.url, value.version, value.proof]
  return texts.every((text) => typeof text === 'string') ? (value as unknown as Registration) : undefined
}
