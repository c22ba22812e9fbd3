import { expect, test } from 'vitest'
import { type HttpRouteRule, route } from '../http.ts'
import { arrange } from './order.ts'
import type { OwnPath } from './paths.ts'

const own: OwnPath[] = [
  { path: '/v1/chat/completions', below: false },
  { path: '/v1/models', below: true },
]

const routes = (...matches: [name: string, match: object, hosts?: string[]][]): HttpRouteRule[] =>
  matches.map(([name, match, hosts]) => route.parse({ name, match, service: 's', ...(hosts && { hosts }) }))
const named = (some: readonly HttpRouteRule[]) => some.map(({ name }) => name)

test.each<[string, object, boolean]>([
  ['a prefix above', { prefix: '/v1' }, true],
  ['everything', {}, true],
  ['an expression that fits', { regex: '/v1/[a-z/]+' }, true],
  ['an expression that fits below', { regex: '/v1/models/x' }, true],
  ['an expression that Node cannot read', { regex: '/[[:alpha:]]+' }, false],
  ['a template that fits', { template: '/v1/{any}' }, true],
  ['all of gRPC', { grpc: {} }, true],
  ['one service of gRPC', { grpc: { service: 'a.B' } }, false],
  ['another path', { path: '/v1/chat' }, false],
  ['a prefix beside', { prefix: '/v1/chat/complete' }, false],
  ['an expression that does not fit', { regex: '/v2/.*' }, false],
])('%s after AI paths: %j', (_, match, after) => {
  const arranged = arrange(routes(['r', match]), own)
  expect(named(arranged.after)).toEqual(after ? ['r'] : [])
  expect(named(arranged.before)).toEqual(after ? [] : ['r'])
})

test('the order written is kept: what follows such a route stays behind it, what has hosts does not begin it', () => {
  const { before, after } = arrange(
    routes(['host', { prefix: '/' }, ['a.test']], ['one', { path: '/1' }], ['all', {}], ['two', { path: '/2' }]),
    own,
  )
  expect([named(before), named(after)]).toEqual([
    ['host', 'one'],
    ['all', 'two'],
  ])
})

test('without AI traffic there is nothing to go around', () => {
  expect(named(arrange(routes(['all', {}], ['x', { path: '/x' }]), []).before)).toEqual(['all', 'x'])
})
