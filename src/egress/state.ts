import type { Rules } from '../config/schema.ts'
import type { Issued } from './authority.ts'
import { Certificates } from './certificates.ts'
import { type EgressNames, type EgressParts, EgressProtocol } from './egress.ts'
import { KnownHosts } from './known-hosts.ts'
import { Resolver } from './resolver.ts'
import { compileRules } from './rules.ts'
import { Tunnels } from './tunnels.ts'

/** What one revision of the rules is compiled with. */
export type EgressContext = Pick<EgressParts, 'llm' | 'a2a' | 'mcp' | 'identify' | 'finished'> & {
  /** Compiles an expression; its second argument is what holds where its value cannot be had. */
  readonly condition: Parameters<typeof compileRules>[1]
}

/** Whether any listener catches what agents send to elsewhere. */
export function servesEgress({ listeners }: Pick<Rules, 'listeners'>): boolean {
  return Object.values(listeners).some(({ serves }) => serves.includes('egress'))
}

/** What of egress lives longer than a revision of the rules: certificates, tunnels, answers of DNS. */
export class EgressState {
  readonly #names: EgressNames
  readonly #certificates: Certificates
  readonly #resolver = new Resolver()
  readonly #tunnels: Tunnels

  /**
   * @param key seals what opened tunnels; 32 random bytes
   * @param withoutName the name of the certificate for connections that ask for no name
   * @param renewed told when certificates that Envoy has are to be asked for again
   */
  constructor(names: EgressNames, key: Uint8Array, withoutName: string, renewed: () => void) {
    this.#names = names
    this.#tunnels = new Tunnels(key)
    this.#certificates = new Certificates(withoutName, renewed)
  }

  compile(rules: Rules, context: EgressContext): { protocol: EgressProtocol; known: KnownHosts } {
    const { condition, ...parts } = context
    const { egress, listeners } = rules
    const known = new KnownHosts(rules)
    const protocol = new EgressProtocol({
      ...parts,
      names: this.#names,
      known,
      resolver: this.#resolver,
      tunnels: this.#tunnels,
      authority: egress.authority !== undefined,
      withoutAuthority: egress.withoutAuthority,
      otherPaths: egress.otherPaths,
      decide: compileRules(egress, condition),
      portOf: (listener) => listeners[listener]?.port ?? 0,
    })
    return { protocol, known }
  }

  /**
   * Opens the authority that rules name.
   * @returns what puts it into force
   * @throws {RangeError} where it cannot be used
   */
  async prepare(rules: Rules, known: KnownHosts): Promise<() => void> {
    const rule = servesEgress(rules) ? rules.egress.authority : undefined
    const authority = await Certificates.open(rule)
    return () => this.#certificates.use(authority, known)
  }

  /** The certificate for a name that a connection asks for; undefined: there is none. */
  certificateFor(name: string): Promise<Issued | undefined> {
    return this.#certificates.of(name)
  }

  stop(): void {
    this.#certificates.stop()
  }
}
