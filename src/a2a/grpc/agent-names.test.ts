import { create, toBinary } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import * as modern from '#gen/lf/a2a/v1/a2a_pb.js'
import { a2a } from '../../config/a2a.ts'
import { grpcService, methodName, operations } from '../operations.ts'
import { messagesOf } from '../translate/schemas.ts'
import { AgentNames, isGrpcPath } from './agent-names.ts'
import { writeFrame } from './frames.ts'

const namesOf = (agents: Record<string, object>) =>
  new AgentNames(
    a2a.parse({
      agents: Object.fromEntries(Object.entries(agents).map(([name, rule]) => [name, { url: 'http://x', ...rule }])),
    }).agents,
  )

const get = `/${grpcService['1.0']}/GetTask`
const body = (tenant: string) =>
  writeFrame(toBinary(modern.GetTaskRequestSchema, create(modern.GetTaskRequestSchema, { id: 't', tenant })))
const call = (headers: Record<string, string>, tenant = '', path = get) => ({
  path,
  headers: new Map(Object.entries(headers)),
  body: body(tenant),
})

const several = namesOf({
  planner: { offer: { grpcHost: 'planner.example.com' } },
  billing: { offer: { grpcHost: 'gw.example.com:9001' } },
  archive: {},
  shy: { offer: { bindings: ['jsonrpc'] } },
})

describe('an agent is named', () => {
  test.each<[string, Record<string, string>, string, string]>([
    ['by its host', { ':authority': 'planner.example.com' }, '', 'planner'],
    ['with any port', { ':authority': 'Planner.Example.com:8443' }, '', 'planner'],
    ['with a dot at its end', { ':authority': 'planner.example.com.' }, '', 'planner'],
    ['by host and port', { ':authority': 'gw.example.com:9001' }, '', 'billing'],
    [
      'by its host, whatever else is said',
      { ':authority': 'planner.example.com', 'chaperone-agent': 'x' },
      'y',
      'planner',
    ],
    ['by metadata', { ':authority': 'gw.example.com', 'chaperone-agent': 'archive' }, 'other', 'archive'],
    ['as tenant', { ':authority': 'gw.example.com:9000' }, 'archive', 'archive'],
    ['though there is none', {}, 'nobody', 'nobody'],
  ])('%s', (_, headers, tenant, name) => {
    expect(several.of(call(headers, tenant))).toBe(name)
  })

  test('or is the only one', () => {
    expect(namesOf({ planner: {}, shy: { offer: { bindings: ['jsonrpc'] } } }).of(call({}))).toBe('planner')
  })

  test('or nobody knows which is meant', () => {
    expect(() => several.of(call({ ':authority': 'gw.example.com' }))).toThrow(
      expect.objectContaining({ kind: 'invalidRequest' }),
    )
    // 0.3 has no tenants: what stands at the field's place is something else.
    const old = call({}, 'archive', `/${grpcService['0.3']}/GetTask`)
    expect(() => several.of(old)).toThrow(/chaperone-agent/)
    const broken = { ...call({}), body: new Uint8Array([0, 0, 0, 0, 2, 0x0a, 0x09]) }
    expect(() => several.of(broken)).toThrow(expect.objectContaining({ kind: 'invalidRequest' }))
  })
})

test('each operation says its tenant, and of two the one that all readers take', () => {
  for (const operation of operations) {
    const { request } = messagesOf(operation, '1.0')
    const one = (tenant: string) => toBinary(request, create(request, { tenant }))
    const path = `/${grpcService['1.0']}/${methodName(operation, 'grpc', '1.0')}`
    const twice = writeFrame(Buffer.concat([one('planner'), one('archive')]))
    expect(several.of({ path, headers: new Map(), body: twice })).toBe('archive')
  }
})

test('a host is one agent’s', () => {
  const offer = { grpcHost: 'a.example.com' }
  expect(() => namesOf({ planner: { offer }, billing: { offer } })).toThrow(
    /^a2a\.agents\.billing\.offer\.grpcHost: a\.example\.com is the host of planner/,
  )
})

test('paths of the services, and no others', () => {
  expect(isGrpcPath(get)).toBe(true)
  expect(isGrpcPath('/a2a.v1.A2AService/SendMessage')).toBe(true)
  for (const other of ['/lf.a2a.v1.A2AService', '/x.lf.a2a.v1.A2AService/GetTask', '/a2a/planner'])
    expect(isGrpcPath(other)).toBe(false)
})
