import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { rulesSchema } from '../../config/schema.ts'
import type { A2aCall } from '../call.ts'
import type { CallbackWanted } from '../callbacks.ts'
import type { Asker } from '../front/account.ts'
import { MemoryOwners } from '../tasks/memory-owners.ts'
import { Relay } from './relay.ts'
import { MemoryPushStore } from './store/memory-push-store.ts'

const secret = randomBytes(32).toString('hex')

function compile(rules: object, keys: () => { id: string; secret: Uint8Array }[]) {
  const reports: Error[] = []
  const relay = new Relay({
    ...{ store: new MemoryPushStore(), keys, owners: new MemoryOwners(), secrets: { resolve: () => secret } },
    notified: () => undefined,
    report: (error) => reports.push(error as Error),
  })
  const { a2a, listeners } = rulesSchema.parse({ a2a: { agents: { planner: { url: 'http://p.example' } } }, ...rules })
  const given = { a2a, listeners, signer: undefined, agentOf: () => undefined, guards: () => undefined }
  return { again: () => relay.compile(given), compiled: relay.compile(given), reports }
}
const own = () => [{ id: 'own', secret: randomBytes(32) }]

test('without any key nobody is notified, and operators are told once', () => {
  const broken = () => {
    throw new Error('EROFS')
  }
  for (const keys of [() => [], broken]) {
    const { again, compiled, reports } = compile({}, keys)
    expect(compiled.callbacks.offered).toBe(false)
    expect(compiled.receiver).toBeUndefined()
    again()
    expect(reports.map(({ message }) => message)).toEqual([expect.stringContaining('keys')])
  }
  const push = { keys: [{ id: 'k', secret: '${env:PUSH}' }] }
  const { compiled, reports } = compile({ a2a: { agents: {}, push } }, broken)
  expect(compiled.callbacks.offered).toBe(true)
  expect(reports).toEqual([])
})

/** The URL that an agent is given. */
async function given(rules: object): Promise<string> {
  const { compiled } = compile(rules, own)
  const call = {
    ...{ type: 'call', agent: 'planner', operation: 'setPushConfig', version: '1.0', taskId: 't' },
    params: { taskId: 't', url: 'https://93.184.216.34/hook' },
  } as unknown as A2aCall
  const asker = { listener: 'inner', path: '/', identity: { claims: {} } } as unknown as Asker
  const { params } = await compiled.callbacks.begin({ call, owner: 'key:ann', asker } satisfies CallbackWanted)
  return new URL(String(params.url)).origin
}

test.each([
  ['http://127.0.0.1:7001', {}],
  ['http://10.1.2.3:7001', { address: '10.1.2.3' }],
  ['http://127.0.0.1:7001', { address: '0.0.0.0' }],
  ['http://[::1]:7001', { address: '::' }],
  ['https://127.0.0.1:7001', { tls: { certificateFile: 'c', keyFile: 'k' } }],
])('agents come to %s by the address of the client’s listener', async (url, more) => {
  expect(await given({ listeners: { default: { port: 7000 }, inner: { port: 7001, ...more } } })).toBe(url)
})

test('or to where the rules say', async () => {
  const agents = { planner: { url: 'http://p.example' } }
  expect(await given({ a2a: { agents, baseUrl: 'https://gw.example/' } })).toBe('https://gw.example')
  const push = { publicUrl: 'http://inside.example:9000' }
  expect(await given({ a2a: { agents, baseUrl: 'https://gw.example/', push } })).toBe('http://inside.example:9000')
})
