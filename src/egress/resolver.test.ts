import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { egress } from '../config/egress.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import { Resolver, reachOf } from './resolver.ts'
import { compileRules } from './rules.ts'
import { proxyCredential, Tunnels } from './tunnels.ts'

const nowhere = () => false
const publicOnly = reachOf(nowhere, false)

test.each([
  ['8.8.8.8', true, true],
  ['2606:4700::1', true, true],
  ['10.0.0.1', false, true],
  ['fd12::1', false, true],
  ['100.64.0.1', false, true],
  ['127.0.0.1', false, false],
  ['::1', false, false],
  ['::ffff:127.0.0.1', false, false],
  ['::ffff:10.0.0.1', false, true],
  ['169.254.169.254', false, false],
  ['fd00:ec2::254', false, false],
  ['168.63.129.16', false, false],
  ['0.0.0.0', false, false],
  ['64:ff9b::7f00:1', false, false],
  ['224.0.0.1', false, false],
])('%s: public %s, private too %s', (address, first, second) => {
  expect(publicOnly(address)).toBe(first)
  expect(reachOf(nowhere, true)(address)).toBe(second)
})

test('what is looked at is what is given: addresses that may not be reached are left out', async () => {
  const resolver = new Resolver(async () => ['127.0.0.1', '8.8.8.8'])
  expect(await resolver.resolve('mixed.test', publicOnly)).toEqual({ type: 'address', address: '8.8.8.8' })
  expect(await new Resolver(async () => ['127.0.0.1']).resolve('a.test', publicOnly)).toEqual({ type: 'unreachable' })
  expect(await new Resolver(() => Promise.reject(new Error())).resolve('a.test', publicOnly)).toEqual({
    type: 'unknown',
  })
})

test('answers are kept for a while, and one question is under way for a name', async () => {
  let [asked, now] = [0, 0]
  const resolver = new Resolver(
    async () => [`8.8.8.${++asked}`],
    () => now,
  )
  await Promise.all([resolver.resolve('a.test', publicOnly), resolver.resolve('a.test', publicOnly)])
  expect(asked).toBe(1)
  now = 9_000
  await resolver.resolve('a.test', publicOnly)
  expect(asked).toBe(1)
  now = 11_000
  expect(await resolver.resolve('a.test', publicOnly)).toEqual({ type: 'address', address: '8.8.8.2' })
})

test('the first rule that fits decides', () => {
  const compiler = new ExpressionCompiler([])
  const decide = compileRules(
    egress.parse({
      rules: [
        { name: 'team', hosts: ['*.a.test'], when: 'identity.team == "red"', action: 'allow' },
        { name: 'broken', hosts: ['b.test'], when: 'identity.claims.x == 1', action: 'allow' },
        { name: 'broken-deny', hosts: ['b.test'], when: 'identity.claims.x == 1', action: 'deny' },
        { name: 'port', hosts: ['*.a.test', '10.0.0.0/8'], ports: [443], action: 'log' },
        { name: 'any', hosts: ['0.0.0.0/0'], action: 'log' },
      ],
      default: 'allow',
    }),
    (expression, otherwise) => compiler.condition(expression, otherwise),
  )
  const request = {
    id: 'r',
    method: 'CONNECT',
    path: '',
    headers: new Map(),
    port: 1,
    body: Buffer.alloc(0),
    arrived: 0,
  }
  const red = makeIdentity('pod', 'pod', { team: 'red' }, { red: {} } as never)
  const blue = makeIdentity('pod', 'pod', { team: 'blue' }, { blue: {} } as never)
  const asked = (host: string, port: number, identity = red) => decide({ host, port }, request, 'l', identity)
  expect(asked('x.a.test', 443).rule).toBe('egress.rules.team')
  expect(asked('x.a.test', 443, blue).rule).toBe('egress.rules.port')
  expect(asked('x.a.test', 80, blue)).toMatchObject({ rule: 'egress.default', action: 'allow' })
  expect(asked('b.test', 80)).toMatchObject({ rule: 'egress.rules.broken-deny', action: 'deny' })
  expect(asked('10.1.1.1', 443).may('10.1.1.1')).toBe(true)
  expect(asked('10.1.1.1', 443).may('127.0.0.1')).toBe(false)
  // Whoever writes it means any public one.
  expect(asked('9.9.9.9', 443).may('127.0.0.1')).toBe(false)
  expect(asked('9.9.9.9', 443).may('9.9.9.9')).toBe(true)
})

test.each([
  [undefined, undefined],
  ['Bearer k', 'k'],
  [`Basic ${btoa('agent:k')}`, 'k'],
  [`Basic ${btoa('k:')}`, 'k'],
  [`Basic ${btoa('k')}`, 'k'],
  [`basic ${btoa('a:b:c')}`, 'b:c'],
  ['Basic', undefined],
  ['Digest x', undefined],
])('what a proxy is shown: %s', (header, credential) => {
  expect(proxyCredential(header)).toBe(credential)
})

test('tunnels', () => {
  const key = randomBytes(32)
  const opened = new Tunnels(key).open('one', 'k', 0)
  expect(opened).not.toContain('k.')
  const next = new Tunnels(key)
  expect(next.credentialOf('one', opened, 1_000)).toBe('k')
  expect(next.credentialOf('two', opened, 1_000)).toBeUndefined()
  expect(next.credentialOf('one', opened, 8 * 24 * 3_600_000)).toBeUndefined()
  expect(new Tunnels(randomBytes(32)).credentialOf('one', opened, 1_000)).toBeUndefined()
  for (const wrong of ['-', '', undefined]) expect(next.credentialOf('one', wrong, 1_000)).toBeUndefined()
})
