import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { zoneOf } from '../mcp/oauth/reach.ts'

/** Names become addresses here, and what is connected to is the very address that was looked at: nobody can change it in between. */

/** Which addresses a host may turn out to have. */
export type MayReach = (address: string) => boolean

/** How long an answer of DNS holds, ms, how many are kept, and how many names are asked for at once. */
const keptMs = 10_000
const mostKept = 1_000
const mostAsked = 200

/** Public addresses, and of others those that a rule names. */
export function reachOf(named: (address: string) => boolean, privateToo: boolean): MayReach {
  return (address) => {
    if (named(address)) return true
    const zone = zoneOf(address)
    return zone === 'public' || (privateToo && zone === 'private')
  }
}

export type Resolved =
  | { readonly type: 'address'; readonly address: string }
  /** The name has no address, or DNS does not answer. */
  | { readonly type: 'unknown' }
  /** All that it has may not be reached. */
  | { readonly type: 'unreachable' }

/** Resolves names, and keeps answers for a while. */
export class Resolver {
  readonly #kept = new Map<string, { addresses: readonly string[]; untilMs: number }>()
  readonly #asked = new Map<string, Promise<readonly string[]>>()
  readonly #ask: (host: string) => Promise<readonly string[]>
  readonly #now: () => number
  #turn = 0

  constructor(
    ask: (host: string) => Promise<readonly string[]> = async (host) =>
      (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address),
    now: () => number = () => performance.now(),
  ) {
    this.#ask = ask
    this.#now = now
  }

  /** @param host a name, or an address */
  async resolve(host: string, may: MayReach): Promise<Resolved> {
    const addresses = isIP(host) === 0 ? await this.#addresses(host) : [host]
    if (addresses.length === 0) return { type: 'unknown' }
    const good = addresses.filter(may)
    if (good.length === 0) return { type: 'unreachable' }
    // IPv4 comes first; of several, each has its turn.
    const family = isIP(good[0]!)
    const same = good.filter((address) => isIP(address) === family)
    return { type: 'address', address: same[this.#turn++ % same.length]! }
  }

  async #addresses(host: string): Promise<readonly string[]> {
    const kept = this.#kept.get(host)
    if (kept && kept.untilMs > this.#now()) return kept.addresses
    let asked = this.#asked.get(host)
    if (!asked) {
      if (this.#asked.size >= mostAsked) return []
      asked = this.#ask(host).catch(() => [])
      this.#asked.set(host, asked)
      void asked.then((addresses) => this.#keep(host, addresses))
    }
    return asked
  }

  #keep(host: string, addresses: readonly string[]): void {
    this.#asked.delete(host)
    this.#kept.delete(host)
    if (this.#kept.size >= mostKept) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(host, { addresses, untilMs: this.#now() + keptMs })
  }
}
