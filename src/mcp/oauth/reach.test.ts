import type { LookupAddress } from 'node:dns'
import { describe, expect, test } from 'vitest'
import { OAuthHttp } from './http.ts'
import { lookupWithin, Reach, zoneOf, zoneOfHost } from './reach.ts'
import { TestServer } from './testing.ts'

test.each([
  ['93.184.215.14', 'public'],
  ['2606:2800:21f:cb07::1', 'public'],
  ['::ffff:93.184.215.14', 'public'],
  ['10.1.2.3', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.1', 'public'],
  ['192.168.0.1', 'private'],
  ['100.64.0.1', 'private'],
  ['fd12::1', 'private'],
  ['::ffff:10.0.0.1', 'private'],
  ['::ffff:a00:1', 'private'],
  ['127.0.0.53', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['169.254.169.254', 'never'],
  ['::ffff:169.254.169.254', 'never'],
  ['fd00:ec2::254', 'never'],
  ['100.100.100.200', 'never'],
  ['168.63.129.16', 'never'],
  ['0.0.0.0', 'never'],
  ['::', 'never'],
  ['::127.0.0.1', 'never'],
  ['fe80::1', 'never'],
  ['64:ff9b::a00:1', 'never'],
  ['2002:a00:1::', 'never'],
  ['224.0.0.1', 'never'],
  ['255.255.255.255', 'never'],
  ['no address', 'never'],
])('%s is %s', (address, zone) => expect(zoneOf(address)).toBe(zone))

test.each([
  ['mcp.example.com', 'public'],
  ['localhost', 'loopback'],
  ['a.localhost.', 'loopback'],
  ['[::1]', 'loopback'],
  ['notes', 'private'],
  ['notes.prod.svc.cluster.local', 'private'],
  ['LOCAL.example', 'public'],
])('the host %s is %s', (host, zone) => expect(zoneOfHost(host)).toBe(zone))

describe('where a server may send the gateway', () => {
  const servers = {
    public: 'https://mcp.example.com/mcp',
    private: 'http://notes:8080/mcp',
    address: 'https://10.0.0.5/mcp',
    loopback: 'http://127.0.0.1:8080/mcp',
    localhost: 'http://localhost:8080/mcp',
  }
  test.each([
    ['public', 'https://as.example.com/x', true],
    ['public', 'http://as.example.com/x', false],
    ['public', 'http://mcp.example.com/x', false],
    ['public', 'https://10.0.0.1/x', false],
    ['public', 'https://0x0a000001/x', false],
    ['public', 'https://2130706433/x', false],
    ['public', 'https://127.1/x', false],
    ['public', 'https://[::ffff:10.0.0.1]/x', false],
    ['public', 'https://169.254.169.254/latest', false],
    ['public', 'http://127.0.0.1:8080/x', false],
    ['public', 'https://user:pass@as.example.com/x', false],
    ['public', 'https://as.example.com/x#y', false],
    ['public', 'file:///etc/passwd', false],
    ['public', 'javascript:alert(1)', false],
    ['public', 'nothing', false],
    ['public', `https://as.example.com/${'x'.repeat(3000)}`, false],
    ['private', 'http://notes:8080/x', true],
    ['private', 'http://notes:9090/x', false],
    ['private', 'https://10.0.0.1/x', true],
    ['private', 'https://127.0.0.1/x', false],
    ['address', 'https://10.0.0.1/x', true],
    ['address', 'https://169.254.169.254/x', false],
    ['loopback', 'http://127.0.0.1:9999/x', true],
    ['loopback', 'http://localhost:9999/x', false],
    ['loopback', 'http://127.0.0.2:9999/x', false],
    ['loopback', 'https://127.0.0.2/x', false],
    ['localhost', 'http://localhost:1/x', true],
  ] as const)('from a %s one to %s: %s', (server, url, allowed) => {
    const reach = new Reach(servers[server])
    if (allowed) expect(reach.check(url).href).toBe(url)
    else expect(() => reach.check(url)).toThrow(expect.objectContaining({ name: 'UnreachableUrl' }))
  })

  test('what the rules name may be private; a name of others may not turn out to be', async () => {
    const reach = new Reach(servers.public, ['https://sso.corp.example/realm'])
    expect([...reach.zones('sso.corp.example')]).toEqual(['public', 'private'])
    expect([...reach.zones('evil.example')]).toEqual(['public'])
    const dns = (_host: string, _options: object, done: (error: null, all: LookupAddress[]) => void) =>
      done(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '10.0.0.7', family: 4 },
        { address: '93.184.215.14', family: 4 },
      ])
    const resolved = (host: string, all: boolean) =>
      new Promise((resolve) =>
        lookupWithin(reach.zones(host), dns as never)(host, { all }, (error, addresses) => resolve(error ?? addresses)),
      )
    expect(await resolved('evil.example', false)).toBe('93.184.215.14')
    expect(await resolved('sso.corp.example', true)).toEqual([
      { address: '10.0.0.7', family: 4 },
      { address: '93.184.215.14', family: 4 },
    ])
    const none = (host: string) =>
      new Promise((resolve) => lookupWithin(new Set(), dns as never)(host, { all: true }, (error) => resolve(error)))
    expect(await none('evil.example')).toMatchObject({ name: 'UnreachableUrl' })
  })

  test('a name that is public by itself and loopback by DNS is not connected to', async () => {
    const server = await new TestServer().start()
    const http = new OAuthHttp()
    try {
      const { port } = new URL(server.url)
      // The name is written in the rules, so only the address stands against it: *.localhost is 127.0.0.1 for the resolver.
      const written = `http://localhost:${port}/mcp`
      await expect(http.request(new Reach(written), written, { method: 'GET' })).resolves.toMatchObject({ status: 401 })
      const reach = new Reach('https://mcp.example.com/', [])
      const lying = { check: () => new URL(written), zones: (host: string) => reach.zones(host) } as unknown as Reach
      await expect(http.request(lying, written, { method: 'GET' })).rejects.toMatchObject({ name: 'UnreachableUrl' })
    } finally {
      await http.close()
      await server.stop()
    }
  })
})
