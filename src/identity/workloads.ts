import type { TeamsRule, WorkloadRule } from '../config/identities.ts'
import type { Identity, Unidentified } from './identity.ts'
import { Lru } from './lru.ts'
import { makeIdentity } from './make-identity.ts'
import { unknownWorkload, untrustedCertificate } from './refusals.ts'
import { SpiffePatterns, spiffeSegments } from './spiffe.ts'
import { nearestUri } from './xfcc.ts'

const mostHeaders = 1000
/** With a certificate in it the header is long, and parsing it again costs less than keeping a thousand of them. */
const longestKept = 2048

/** Tells workloads by the client certificate that Envoy saw. For one revision of the rules, and one kind of listener. */
export class Workloads {
  readonly #rules: Readonly<Record<string, WorkloadRule>>
  readonly #teams: TeamsRule
  readonly #patterns: SpiffePatterns
  readonly #single: boolean
  /** A connection sends the same header with each of its requests. */
  readonly #known = new Lru<string, Identity | Unidentified>(mostHeaders)

  /** @param options.single whether our own Envoy terminates TLS, and so writes exactly one element */
  constructor(rules: Readonly<Record<string, WorkloadRule>>, teams: TeamsRule, options: { readonly single: boolean }) {
    this.#rules = rules
    this.#teams = teams
    this.#single = options.single
    this.#patterns = new SpiffePatterns(
      Object.fromEntries(Object.entries(rules).map(([name, { spiffeId }]) => [name, spiffeId])),
    )
  }

  /** @param header x-forwarded-client-cert, as Envoy wrote it */
  identify(header: string): Identity | Unidentified {
    const known = this.#known.get(header)
    if (known) return known
    const caller = this.#read(header)
    if (header.length <= longestKept) this.#known.set(header, caller)
    return caller
  }

  #read(header: string): Identity | Unidentified {
    const uri = nearestUri(header, { single: this.#single })
    const segments = uri === undefined ? undefined : spiffeSegments(uri)
    if (uri === undefined || !segments) return untrustedCertificate
    const name = this.#patterns.match(segments)
    return name === undefined ? unknownWorkload : makeIdentity('mtls', uri, this.#rules[name]!, this.#teams)
  }
}
