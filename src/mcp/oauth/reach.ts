import { lookup as resolve } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * Where the gateway may be sent by what a server or an authorization server answered (MCP, Security Best Practices: Server-Side
 * Request Forgery). What the rules name is the operator's own word; everything else is somebody's claim.
 */

/** What kind of place an address is. `never`: link-local, metadata services of clouds, and what is no unicast address. */
export type Zone = 'public' | 'private' | 'loopback' | 'never'

/** A URL that must not be asked. The message is for the operator; it names a host and no path. */
export class UnreachableUrl extends Error {
  override readonly name = 'UnreachableUrl'
}

function blocks(v4: readonly string[], v6: readonly string[]): BlockList {
  const list = new BlockList()
  for (const [family, ranges] of [['ipv4', v4] as const, ['ipv6', v6] as const])
    for (const range of ranges) {
      const [address, bits] = range.split('/')
      list.addSubnet(address!, Number(bits), family)
    }
  return list
}

const loopbacks = blocks(['127.0.0.0/8'], ['::1/128'])
const privates = blocks(
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15'],
  ['fc00::/7'],
)
/** IANA's special-purpose registries, and where clouds have their metadata outside of link-local. */
const nevers = blocks(
  [
    '0.0.0.0/8',
    '169.254.0.0/16',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/3',
    '100.100.100.200/32',
    '168.63.129.16/32',
  ],
  ['fd00:ec2::254/128', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
)
const unicast6 = blocks([], ['2000::/3'])
const mapped = blocks([], ['::ffff:0:0/96'])

/** @param address an IP address, without brackets. IPv4 inside of IPv6 is what it is inside. */
export function zoneOf(address: string): Zone {
  const version = isIP(address)
  if (version === 0) return 'never'
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (nevers.check(address, family)) return 'never'
  if (loopbacks.check(address, family)) return 'loopback'
  if (privates.check(address, family)) return 'private'
  if (version === 4 || mapped.check(address, 'ipv6')) return 'public'
  return unicast6.check(address, 'ipv6') ? 'public' : 'never'
}

/** Names that no public DNS answers (RFC 6761, RFC 6762, RFC 8375; Kubernetes, Compose). */
const privateName = /^[^.]+$|\.(?:local|internal|home\.arpa|lan|intranet|corp|svc|cluster\.local)$/

/** What a URL's host says of itself. Nobody is asked: DNS says what the owner of a name likes. */
export function zoneOfHost(host: string): Zone {
  const name = bare(host)
  if (isIP(name) !== 0) return zoneOf(name)
  if (name === 'localhost' || name.endsWith('.localhost')) return 'loopback'
  return privateName.test(name) ? 'private' : 'public'
}

/** A URL's host as a name or address: without brackets, and without the dot of a full name. */
function bare(host: string): string {
  return host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
}

/** Where one server, and what it names, may send the gateway. */
export class Reach {
  readonly #server: string
  readonly #zone: Zone
  readonly #written: ReadonlySet<string>
  readonly #plain: ReadonlySet<string>

  /**
   * @param server the server's URL in the rules
   * @param written further URLs that the rules have for it: its issuer, its token endpoint
   */
  constructor(server: string, written: readonly string[] = []) {
    const urls = [server, ...written].map((url) => new URL(url))
    this.#server = bare(urls[0]!.hostname)
    this.#zone = zoneOfHost(this.#server)
    this.#written = new Set(urls.map(({ hostname }) => bare(hostname)))
    this.#plain = new Set(urls.filter(({ protocol }) => protocol === 'http:').map(({ origin }) => origin))
  }

  /**
   * Whether a URL may be asked, as far as it says itself: `https`, or `http` where the rules have it or it is on the loopback
   * host that the server is on.
   * @throws {UnreachableUrl}
   */
  check(url: string): URL {
    let parsed: URL
    try {
      if (url.length > 2048) throw new RangeError()
      parsed = new URL(url)
    } catch {
      throw new UnreachableUrl('what should be a URL is none')
    }
    const { protocol, username, password, hash, hostname, origin } = parsed
    const host = bare(hostname)
    if (username !== '' || password !== '' || hash !== '')
      throw new UnreachableUrl(`a URL at ${hostname} holds a user name, a password or a fragment`)
    const loopback = zoneOfHost(host) === 'loopback' && host === this.#server
    if (protocol !== 'https:' && !(protocol === 'http:' && (loopback || this.#plain.has(origin))))
      throw new UnreachableUrl(`a URL at ${hostname} is not https`)
    if (isIP(host) !== 0 && !this.zones(host).has(zoneOf(host)))
      throw new UnreachableUrl(`the address ${hostname} is not one that this server may send the gateway to`)
    return parsed
  }

  /** The kinds of addresses that a host may turn out to have. */
  zones(host: string): ReadonlySet<Zone> {
    const name = bare(host)
    const written = this.#written.has(name)
    const zones = new Set<Zone>(['public'])
    if (written || this.#zone === 'private' || this.#zone === 'loopback') zones.add('private')
    // A name that is not loopback's must not become it, whoever wrote it: its owner could make it so.
    if (zoneOfHost(name) === 'loopback' && written) zones.add('loopback')
    return zones
  }
}

/**
 * A `lookup` for connections that gives only addresses of these kinds. What it gives is what is connected to, so a name that
 * changes its address between a check and the connection gains nothing.
 */
export function lookupWithin(zones: ReadonlySet<Zone>, dns: typeof resolve = resolve): LookupFunction {
  return (host, options, callback) => {
    dns(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '')
      const good = addresses.filter(({ address }) => zones.has(zoneOf(address)))
      const [first] = good
      if (!first) return callback(new UnreachableUrl(`${host} has no address that may be asked`), '')
      if (options.all) callback(null, good)
      else callback(null, first.address, first.family)
    })
  }
}
