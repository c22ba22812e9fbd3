import { BlockList, isIP } from 'node:net'

/** Hosts as rules and the catalogue write them. */

/**
 * A test for host names. `*.` in front stands for one or more labels, a `*` inside of the name for what is within one label, and
 * `*` alone for everything.
 */
export function hostPattern(pattern: string): (host: string) => boolean {
  if (pattern === '*') return () => true
  if (!pattern.includes('*')) return (host) => host === pattern
  if (pattern.startsWith('*.') && !pattern.slice(2).includes('*')) {
    const suffix = pattern.slice(1)
    return (host) => host.length > suffix.length && host.endsWith(suffix)
  }
  const parts = pattern.split('*').map((part) => part.replace(/[.\\+?^${}()|[\]]/g, '\\$&'))
  const expression = new RegExp(`^${parts.join('[^.]+')}$`)
  return (host) => expression.test(host)
}

/** Networks to look addresses up in. @param ranges addresses, and networks in CIDR notation */
export function networks(ranges: readonly string[]): (address: string) => boolean {
  if (ranges.length === 0) return () => false
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  return (address) => {
    const family = isIP(address)
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}

/** Whether a range is narrow enough to say that its addresses are meant: 0.0.0.0/0 is everybody's way to say "any". */
export function isNarrow(range: string): boolean {
  const [address = '', bits] = range.split('/')
  return bits === undefined || Number(bits) >= (isIP(address) === 6 ? 16 : 8)
}

/** A host and a port as a request has them. */
export interface Place {
  /** A name in lower case, or an IP address without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * Takes an authority apart.
 * @param defaultPort the port where it says none; undefined: it must say one
 * @returns undefined where it is none
 */
export function placeOf(authority: string, defaultPort?: number): Place | undefined {
  const [, bracketed, plain, text] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@[\]]+))(?::(\d{1,5}))?$/.exec(authority) ?? []
  const said = bracketed ?? plain
  if (said === undefined) return undefined
  const port = text === undefined ? defaultPort : Number(text)
  if (port === undefined || port < 1 || port > 65_535) return undefined
  const host = said.toLowerCase().replace(/\.$/, '')
  if (bracketed !== undefined ? isIP(host) !== 6 : !/^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?$/.test(host))
    return undefined
  // 127.1 and 0x7f.1 are addresses to some resolvers, and names to rules.
  if (
    bracketed === undefined &&
    isIP(host) === 0 &&
    /^(?:0x[0-9a-f]*|\d+)$/.test(host.slice(host.lastIndexOf('.') + 1))
  )
    return undefined
  return { host, port }
}

/** `host:port`, as an authority writes it. */
export function authorityOf({ host, port }: Place): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}
