import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isPublic, listOf } from './address.ts'
import { TargetCheck, TargetError, type TargetRules } from './target.ts'

const rules: TargetRules = { schemes: ['https'], ports: [443, 8443], networks: [] }
const at =
  (...addresses: string[]) =>
  async () =>
    addresses
const check = (url: string, more: Partial<TargetRules> = {}, resolve = at('93.184.216.34')) =>
  new TargetCheck({ ...rules, ...more }, resolve).check(url)

describe('addresses', () => {
  test.each([
    '93.184.216.34',
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.0',
    '100.128.0.0',
    '2606:2800:220:1::1',
    '2a00:1450:4001::8a',
  ])('%s is public', (address) => {
    expect(isPublic(address)).toBe(true)
  })

  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.168.0.1',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.7',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '5f00::1',
    'fe80::1%eth0',
    '',
    'example.com',
    '127.1',
  ])('%s is not', (address) => {
    expect(isPublic(address)).toBe(false)
  })

  test('no spelling of an IPv4 address in an IPv6 one is public', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom('::ffff:', '64:ff9b::', '::'), (address, prefix) => {
        expect(isPublic(prefix + address)).toBe(false)
      }),
    )
  })

  test.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', 'x/8', '10.0.0.0/-1'])('%s is no network', (network) => {
    expect(() => listOf([network])).toThrow(RangeError)
  })
})

test('a public place may be called, at the addresses it was found at', async () => {
  const target = await check('https://client.example.org:8443/hook?a=b', {}, at('93.184.216.34', '2606:2800:220:1::1'))
  expect(target.url.href).toBe('https://client.example.org:8443/hook?a=b')
  expect(target.addresses).toEqual(['93.184.216.34', '2606:2800:220:1::1'])
  expect((await check('https://93.184.216.34/')).addresses).toEqual(['93.184.216.34'])
  expect((await check('https://[2606:2800:220:1::1]/')).addresses).toEqual(['2606:2800:220:1::1'])
})

describe('what may not', () => {
  test.each([
    ['http', 'http://client.example.org/'],
    ['another scheme', 'gopher://client.example.org/'],
    ['a file', 'file:///etc/passwd'],
    ['a script', 'javascript:alert(1)'],
    ['no URL', 'client.example.org/hook'],
    ['a path', '//client.example.org/'],
    ['another port', 'https://client.example.org:22/'],
    ['a user', 'https://user@client.example.org/'],
    ['a user that looks like a host', 'https://client.example.org:443@10.0.0.1/'],
    ['an empty user', 'https://@client.example.org/'],
    ['this machine', 'https://127.0.0.1/'],
    ['this machine by name', 'https://localhost/'],
    ['below it', 'https://a.localhost/'],
    ['a name with a dot at its end', 'https://localhost./'],
    ['a short name', 'https://redis/'],
    ['metadata', 'https://169.254.169.254/latest/meta-data'],
    ['metadata by name', 'https://metadata.google.internal/'],
    ['a service of the cluster', 'https://api.default.svc.cluster.local/'],
    ['a number', 'https://2130706433/'],
    ['hexadecimal', 'https://0x7f000001/'],
    ['hexadecimal of a public place', 'https://0x5db8d822/'],
    ['octal', 'https://0177.0.0.1/'],
    ['short', 'https://127.1/'],
    ['an escape', 'https://127%2e0.0.1/'],
    ['full-width digits', 'https://１２７.0.0.1/'],
    ['a dot that is none', 'https://127。0。0。1/'],
    ['letters beyond ASCII', 'https://exämple.org/'],
    ['a mapped address', 'https://[::ffff:127.0.0.1]/'],
    ['NAT64', 'https://[64:ff9b::7f00:1]/'],
    ['this machine in IPv6', 'https://[::1]/'],
    ['IPv6 written out', 'https://[0:0:0:0:0:0:0:1]/'],
    ['a backslash', 'https://client.example.org\\@10.0.0.1/'],
    ['a tab', 'https://client.exa\tmple.org/'],
    ['a blank in front', ' https://client.example.org/'],
    ['a line break', 'https://client.example.org/\r\nHost: x'],
    ['no host', 'https:///hook'],
    ['too long', `https://client.example.org/${'x'.repeat(3000)}`],
  ])('%s', async (_, url) => {
    await expect(check(url)).rejects.toThrow(TargetError)
  })

  test.each([
    [['10.0.0.1']],
    [['93.184.216.34', '10.0.0.1']],
    [['93.184.216.34', '::ffff:10.0.0.1']],
    [['fe80::1%eth0']],
    [['not an address']],
    [[]],
  ])('a name that leads to %j', async (addresses) => {
    await expect(check('https://client.example.org/', {}, at(...addresses))).rejects.toThrow(TargetError)
  })

  test('a name that leads inside on the second look', async () => {
    const answers = [['93.184.216.34'], ['127.0.0.1']]
    const rebinding = new TargetCheck(rules, async () => answers.shift() ?? [])
    await rebinding.check('https://rebind.example.org/')
    await expect(rebinding.check('https://rebind.example.org/')).rejects.toThrow(/not public/)
  })

  test('a name that nobody knows', async () => {
    const unknown = async () => {
      throw new Error('ENOTFOUND')
    }
    await expect(check('https://client.example.org/', {}, unknown)).rejects.toThrow(/not known/)
  })

  test('the refusal does not say what is inside', async () => {
    await expect(check('https://client.example.org/', {}, at('10.11.12.13'))).rejects.not.toThrow(/10\.11/)
  })
})

describe('what the rules allow beyond that', () => {
  test('a network', async () => {
    const inside = { networks: ['10.1.0.0/16', 'fd00:1::/32'] }
    expect((await check('https://client.example.org/', inside, at('10.1.2.3', 'fd00:1::5'))).addresses).toHaveLength(2)
    await expect(check('https://client.example.org/', inside, at('10.2.0.1'))).rejects.toThrow(TargetError)
    await expect(check('https://client.example.org/', inside, at('64:ff9b::a01:203'))).rejects.toThrow(TargetError)
  })

  test('a host of the inside needs both its name and its network', async () => {
    const named = { hosts: ['callbacks.default.svc.cluster.local'] }
    const url = 'https://callbacks.default.svc.cluster.local/'
    await expect(check(url, named, at('10.1.2.3'))).rejects.toThrow(TargetError)
    await expect(check(url, { networks: ['10.0.0.0/8'] }, at('10.1.2.3'))).rejects.toThrow(TargetError)
    expect((await check(url, { ...named, networks: ['10.0.0.0/8'] }, at('10.1.2.3'))).addresses).toEqual(['10.1.2.3'])
  })

  test('certain hosts alone', async () => {
    const hosts = ['client.example.org', '*.hooks.example.org']
    await check('https://client.example.org/', { hosts })
    await check('https://a.b.hooks.example.org/', { hosts })
    for (const host of ['example.org', 'hooks.example.org', 'evilhooks.example.org', 'client.example.org.evil.example'])
      await expect(check(`https://${host}/`, { hosts })).rejects.toThrow(/rules name/)
  })

  test('http, and its port', async () => {
    const plain = { schemes: ['http', 'https'], ports: [80] } as const
    expect((await check('http://client.example.org/', plain)).url.port).toBe('')
    await expect(check('https://client.example.org/', plain)).rejects.toThrow(/port 443/)
  })
})
