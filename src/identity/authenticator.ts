import type { IdentitiesRule, ListenerIdentityRule, TeamsRule } from '../config/identities.ts'
import { certificateHeader, credentialHeaders, findCredential } from './credentials.ts'
import type { Identity, Unidentified } from './identity.ts'
import type { KeySets } from './jwks.ts'
import type { KeyRecord } from './key-record.ts'
import type { KeyDirectory } from './key-store.ts'
import { makeIdentity } from './make-identity.ts'
import { keyRefusals, keysNotLoaded, refuse, unavailable } from './refusals.ts'
import { Tokens } from './tokens.ts'
import { Workloads } from './workloads.ts'

/** What of the rules says who callers are. */
export interface IdentityRules {
  readonly listeners: Readonly<
    Record<
      string,
      {
        readonly identity: ListenerIdentityRule
        readonly tls?: { readonly clientCaFile?: string | undefined } | undefined
      }
    >
  >
  readonly identities: IdentitiesRule
  readonly teams: TeamsRule
}

/** What outlives a revision of the rules. */
export interface IdentitySources {
  readonly keys: KeyDirectory
  readonly keySets: KeySets
}

/** What is looked at of a request. */
export interface Asking {
  /** The listener's name in the rules. */
  readonly listener: string
  /** By names in lower case; only those of `requiredHeaders` are looked at. */
  readonly headers: ReadonlyMap<string, string>
}

/** A listener, as far as it matters who asks. */
interface Door {
  readonly accepts: { readonly key: boolean; readonly jwt: boolean }
  readonly workloads: Workloads | undefined
  /** Who asks where no credential is shown. */
  readonly nobody: Identity | Unidentified
  /** The same where something else was shown. */
  readonly foreign: Identity | Unidentified
  /** What x-chaperone-key holds is nothing that is accepted. */
  readonly unusable: Unidentified
}

/**
 * Says who asks, by the rules of one revision.
 *
 * A credential of a kind that the listener accepts must be valid where it is shown: nothing falls back from a bad one.
 * A key or token comes before the client certificate: it is what the caller chose to show, while a mesh shows its
 * certificate with everything. The certificate is then not looked at.
 */
export class Authenticator {
  readonly #doors: ReadonlyMap<string, Door>
  readonly #teams: TeamsRule
  readonly #keys: KeyDirectory
  readonly #tokens: Tokens
  /** A key's record stays the same object until the key changes, and so does its identity for this revision. */
  readonly #byRecord = new WeakMap<KeyRecord, Identity>()

  constructor(rules: IdentityRules, { keys, keySets }: IdentitySources) {
    const { identities, teams } = rules
    this.#teams = teams
    this.#keys = keys
    this.#tokens = new Tokens(identities.issuers, teams, keySets)
    const pod = makeIdentity('pod', 'pod', identities.pod, teams)
    const anonymous = makeIdentity('anonymous', 'anonymous', {}, teams)
    const doors = new Map<string, Door>()
    for (const [name, { identity, tls }] of Object.entries(rules.listeners)) {
      const { accept, trustForwardedClientCert } = identity
      // Envoy lets the header through only here; that nobody else could have written it is not left to it alone.
      const certificates = accept.includes('mtls') && (trustForwardedClientCert || tls?.clientCaFile !== undefined)
      const wanted = want(accept)
      const fallback = accept.includes('pod') ? pod : accept.includes('anonymous') ? anonymous : undefined
      doors.set(name, {
        accepts: { key: accept.includes('key'), jwt: accept.includes('jwt') },
        workloads: certificates
          ? new Workloads(identities.workloads, teams, { single: !trustForwardedClientCert })
          : undefined,
        nobody: fallback ?? refuse('missing_credentials', `No credentials were shown. ${wanted}`),
        foreign:
          fallback ??
          refuse('unaccepted_credentials', `What was shown is no credential that is accepted here. ${wanted}`),
        unusable: refuse('unaccepted_credentials', `What x-chaperone-key holds is not accepted here. ${wanted}`),
      })
    }
    this.#doors = doors
  }

  /**
   * @param nowMs the time, in Unix milliseconds
   * @returns at once, but for a token that was not checked lately
   */
  identify({ listener, headers }: Asking, nowMs: number): Identity | Unidentified | Promise<Identity | Unidentified> {
    const door = this.#doors.get(listener)
    if (!door) return unknownListener
    const { accepts } = door
    const credential = accepts.key || accepts.jwt ? findCredential(headers, accepts) : 'none'
    if (credential === 'unusable') return door.unusable
    if (typeof credential === 'object')
      return credential.kind === 'key'
        ? this.#byKey(credential.text, nowMs)
        : this.#tokens.verify(credential.text, nowMs)
    const certificate = door.workloads && headers.get(certificateHeader)
    if (door.workloads && certificate !== undefined) return door.workloads.identify(certificate)
    return credential === 'foreign' ? door.foreign : door.nobody
  }

  #byKey(text: string, nowMs: number): Identity | Unidentified {
    const record = this.#keys.verify(text, nowMs)
    if (typeof record === 'string')
      return record === 'unknown' && !this.#keys.loaded ? keysNotLoaded : keyRefusals[record]
    let identity = this.#byRecord.get(record)
    if (!identity) {
      identity = makeIdentity('key', record.id, record, this.#teams, { key: record.id })
      this.#byRecord.set(record, identity)
    }
    return identity
  }
}

/** @returns the names, in lower case, of all headers that `identify` looks at */
export function requiredHeaders({ listeners }: Pick<IdentityRules, 'listeners'>): string[] {
  return credentialHeaders(Object.values(listeners).map(({ identity }) => identity))
}

const unknownListener = unavailable(
  'unknown_listener',
  'This listener is not, or no longer, in the rules. Try again in a few seconds.',
)

function want(accept: ListenerIdentityRule['accept']): string {
  const kinds = [
    accept.includes('key') && 'a Chaperone key (in x-chaperone-key, or where your SDK takes its API key)',
    accept.includes('jwt') && 'a JWT of an issuer of the rules (Authorization: Bearer)',
    accept.includes('mtls') && 'a client certificate of a workload of the rules',
  ].filter((kind) => kind !== false)
  return `Show ${kinds.join(', or ')}.`
}
