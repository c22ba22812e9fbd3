import { type BlockList, isIP, type LookupFunction } from 'node:net'
import { isIn, isPublic, listOf } from './address.ts'

/**
 * Whether notifications may go to a URL that a client names: 1.0, section 13.2. Whoever calls it is inside the network that
 * the client may be outside of, so that a URL is a way to make the agent or the gateway ask something there (SSRF).
 */

export interface TargetRules {
  /** Hosts that may be called, exact or `*.example.com` for all below it; absent: all. */
  readonly hosts?: readonly string[]
  readonly schemes: readonly ('https' | 'http')[]
  readonly ports: readonly number[]
  /** Networks that may be called though they are not public, in CIDR notation. */
  readonly networks: readonly string[]
}

/** A place that may be called, and where it was found. */
export interface Target {
  readonly url: URL
  readonly addresses: readonly string[]
}

/** Why a URL may not be called, for the client that named it. */
export class TargetError extends Error {
  override readonly name = 'TargetError'
}

/** Asks the DNS for all addresses of a name. It must end in time by itself; what it throws is taken for "no such host". */
export type Resolve = (host: string) => Promise<readonly string[]>

const longestUrl = 2048
const mostAddresses = 32
/** Names that lead nowhere outside (RFC 6761, 6762, 8375, and ICANN's reservation of `internal`). */
const privateNames = [
  'localhost',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
  'test',
  'invalid',
  'onion',
]

/** Judges callback URLs by rules that were made once. */
export class TargetCheck {
  readonly #rules: TargetRules
  readonly #networks: BlockList
  readonly #resolve: Resolve

  /** @throws {RangeError} where a network of the rules is none */
  constructor(rules: TargetRules, resolve: Resolve) {
    this.#rules = rules
    this.#networks = listOf(rules.networks)
    this.#resolve = resolve
  }

  /**
   * Checks a URL and everything that its name leads to now. What a name leads to may change: connections look with `lookup`,
   * and follow no redirect.
   * @throws {TargetError}
   */
  async check(text: string): Promise<Target> {
    const url = this.parse(text)
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(host) !== 0) return { url, addresses: [host] }
    return { url, addresses: await this.addressesOf(host) }
  }

  /**
   * Where a name leads now, if all of it may be called.
   * @param host without brackets
   * @throws {TargetError}
   */
  async addressesOf(host: string): Promise<readonly string[]> {
    let addresses: readonly string[]
    try {
      addresses = await this.#resolve(host)
    } catch (error) {
      throw new TargetError('The host of the callback URL is not known', { cause: error })
    }
    if (addresses.length === 0) throw new TargetError('The host of the callback URL is not known')
    // One that is not public among others is how a name is made to lead inside on the second look.
    for (const address of addresses) this.#judge(address)
    return addresses.slice(0, mostAddresses)
  }

  /** For connections: what it gives was judged, so that a name that changes between a look and the connection gains nothing. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.addressesOf(host).then(
      (addresses) => {
        const all = addresses.map((address) => ({ address, family: isIP(address) }))
        if (options.all) callback(null, all)
        else callback(null, all[0]!.address, all[0]!.family)
      },
      (error: unknown) => callback(error as Error, ''),
    )
  }

  /** What can be said of a URL without asking the DNS: all of it, where its host is an address. @throws {TargetError} */
  parse(text: string): URL {
    const refuse = (why: string) => new TargetError(`The callback URL ${why}`)
    if (text.length > longestUrl) throw refuse(`is longer than ${longestUrl} characters`)
    const [, scheme = '', authority = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(text) ?? []
    if (!/^[\x21-\x7e]+$/.test(text) || text.includes('\\') || !URL.canParse(text))
      throw refuse('is not well formed; write names with xn-- and everything else with %')
    const url = new URL(text)
    if (!this.#rules.schemes.some((allowed) => allowed === scheme.toLowerCase()))
      throw refuse(`must begin with ${this.#rules.schemes.map((allowed) => `${allowed}://`).join(' or ')}`)
    if (authority.includes('@')) throw refuse('must not have a user name or password in it; use `authentication`')
    const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority) ?? []
    // Numbers, octal and hexadecimal parts, escapes: parsers differ on where these lead, and nobody needs them.
    if (host.toLowerCase() !== url.hostname) throw refuse(`has an unusual way to write its host; write ${url.hostname}`)
    const number = port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(port)
    if (!this.#rules.ports.includes(number))
      throw refuse(`has port ${number}; ${this.#rules.ports.join(', ')} may be called`)
    this.#judgeHost(url.hostname)
    return url
  }

  #judgeHost(host: string): void {
    const refuse = (why: string) => new TargetError(`The host of the callback URL ${why}`)
    if (this.#rules.hosts !== undefined && !this.#rules.hosts.some((pattern) => hostMatches(pattern, host)))
      throw refuse('is not one of those that the rules name for callbacks')
    const address = host.replace(/^\[(.*)\]$/, '$1')
    if (isIP(address) !== 0) {
      this.#judge(address)
      return
    }
    if (host.endsWith('.')) throw refuse('must not end with a dot')
    // A host that the rules name may be one of the inside; where it leads must then be in a network that they name.
    const named = this.#rules.hosts?.includes(host) === true
    if (named) return
    if (!host.includes('.')) throw refuse('must be a whole domain name')
    if (privateNames.some((name) => host === name || host.endsWith(`.${name}`)))
      throw refuse('is a name of a private network')
  }

  #judge(address: string): void {
    if (isPublic(address) || (isIP(address) !== 0 && isIn(this.#networks, address))) return
    // Not which: it would tell what is inside.
    throw new TargetError('The callback URL leads to an address that is not public')
  }
}

function hostMatches(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) && host.length >= pattern.length : host === pattern
}
