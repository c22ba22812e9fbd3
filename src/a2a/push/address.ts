import { BlockList, isIP, isIPv4 } from 'node:net'

/** Which IP addresses are somewhere in the public internet (IANA's special-purpose registries, RFC 6890). */

const special4: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Azure's own services answer its machines here: a public address that is not in public.
  '168.63.129.16/32',
]

/** Of 2000::/3, the only block that is handed out. What has an IPv4 address inside leads to that through a gateway. */
const special6: readonly string[] = [
  '2001::/23', // Teredo, benchmarks, ORCHID
  '2001:db8::/32',
  '2002::/16', // 6to4
  '2620:4f:8000::/48',
  '3fff::/20',
]

const blocked = listOf([...special4, ...special6])
const handedOut = listOf(['2000::/3'])

/** Networks to look addresses up in. @param networks in CIDR notation @throws {RangeError} where one is not */
export function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/')
    const family = isIP(address)
    if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
      throw new RangeError(`not a network: ${network}`)
    list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

/** Whether a list has an address. A mapped one (`::ffff:10.0.0.1`) is where its IPv4 address is. */
export function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

/**
 * Whether an address is public: not of a private network, this machine, its link or a cloud's metadata, not multicast,
 * reserved or for documentation, and of IPv6 not a way to an IPv4 address (mapped, NAT64, 6to4, Teredo).
 * @param address without brackets and zone; false where it is none
 */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 0 || address.includes('%')) return false
  if (family === 4) return !isIn(blocked, address)
  return isIn(handedOut, address) && !isIn(blocked, address)
}
