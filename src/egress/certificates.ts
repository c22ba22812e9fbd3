import type { AuthorityRule } from '../config/egress.ts'
import { Authority, type Issued } from './authority.ts'

/** A certificate is made again when less than this share of its time is left. */
const renewAt = 0.5
const lookEveryMs = 3_600_000
/** More names than any set of rules has hosts. */
const mostKept = 5_000

/** What certificates are made for. */
export interface CertifiedHosts {
  has(name: string): boolean
  /** The known hosts that are IP addresses. */
  readonly addresses: readonly string[]
}

/** Certificates of known hosts: made when Envoy asks for them, kept, and made again before they end. */
export class Certificates {
  readonly #kept = new Map<string, Promise<Issued | undefined>>()
  readonly #withoutName: string
  readonly #renewed: () => void
  #authority: Authority | undefined
  #hosts: CertifiedHosts = { has: () => false, addresses: [] }
  #timer: NodeJS.Timeout | undefined

  /**
   * @param withoutName what stands for connections that ask for no name: to hosts that are IP addresses
   * @param renewed told when some of those that were given are to be asked for again
   */
  constructor(withoutName: string, renewed: () => void) {
    this.#withoutName = withoutName
    this.#renewed = renewed
  }

  /**
   * Opens the authority that rules name, beside the one in force.
   * @throws {RangeError} where it cannot be used
   */
  static open(rule: AuthorityRule | undefined): Promise<Authority | undefined> {
    return rule === undefined ? Promise.resolve(undefined) : Authority.open(rule)
  }

  /** From now on certificates are of this authority, and for these hosts. */
  use(authority: Authority | undefined, hosts: CertifiedHosts): void {
    const another = this.#authority?.certificate !== authority?.certificate
    this.#authority = authority
    this.#hosts = hosts
    const before = this.#kept.size
    if (another) this.#kept.clear()
    else for (const name of this.#kept.keys()) if (!this.#serves(name)) this.#kept.delete(name)
    if (this.#kept.size < before) this.#renewed()
    clearInterval(this.#timer)
    if (!authority) return
    this.#timer = setInterval(() => void this.#renew(), lookEveryMs)
    this.#timer.unref()
  }

  /** @param name as a connection asks for it; undefined: there is no certificate for it */
  async of(name: string): Promise<Issued | undefined> {
    const authority = this.#authority
    if (!authority || !this.#serves(name)) return undefined
    let kept = this.#kept.get(name)
    if (!kept) {
      if (this.#kept.size >= mostKept) this.#kept.delete(this.#kept.keys().next().value!)
      kept = authority.issue(name === this.#withoutName ? this.#hosts.addresses : [name])
      this.#kept.set(name, kept)
      kept.catch(() => this.#kept.delete(name))
    }
    return kept
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #serves(name: string): boolean {
    return name === this.#withoutName ? this.#hosts.addresses.length > 0 : this.#hosts.has(name)
  }

  async #renew(now = Date.now()): Promise<void> {
    let some = false
    for (const [name, made] of this.#kept) {
      const issued = await made.catch(() => undefined)
      if (issued && (issued.notAfterMs - now) / (7 * 24 * 3_600_000) > renewAt) continue
      this.#kept.delete(name)
      some = true
    }
    if (some) this.#renewed()
  }
}
