import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Decision, Exchange, Plan } from '../../protocol.ts'
import type { CarriedRequest } from '../server/carrier.ts'
import { DirectCall } from './direct-call.ts'
import { Reply } from './reply.ts'

afterEach(() => vi.useRealTimers())

function begun() {
  const call = new DirectCall('r1', 'legacy')
  const reply = new Reply(call.sink, true, [['x-cors', 'yes']], call)
  return { call, reply }
}

const asked = (signal = new AbortController().signal): CarriedRequest => ({
  upstream: 'up',
  pool: 'direct:up',
  routeClass: 'mcp-1',
  destination: '10.0.0.1:80',
  authority: 'server',
  path: '/mcp',
  headers: [
    ['content-type', 'application/json'],
    ['authorization', 'Bearer own'],
    ['traceparent', 'the-clients'],
  ],
  body: '{}',
  signal,
})

/** A call that is carried, and what its worker reads of the answer: each piece becomes a notification, the end the result. */
async function carried() {
  const { call, reply } = begun()
  const decision = call.decision(reply, 1000)
  const response = call.take(asked())!
  const read = (async () => {
    try {
      const { status, body } = await response
      for await (const piece of body) reply.notify('piece', { text: Buffer.from(piece).toString() })
      reply.result(1, { status })
    } catch (error) {
      reply.error(1, 200, { code: -1, message: (error as Error).message })
    }
  })()
  const settled = (await decision) as Decision & { type: 'plan' }
  expect(settled.type).toBe('plan')
  return { call, reply, plan: settled.plan, read }
}

const bytes = (text: string) => Buffer.from(text)
const attempt = (plan: Plan, headers: [string, string][] = []): Exchange => plan.attempt('up', new Map(headers))

describe('what becomes of a message', () => {
  test('an answer that is there at once is stage 1’s', () => {
    const { call, reply } = begun()
    reply.result(7, { ok: true })
    expect(call.decision(reply, 1000)).toEqual({
      type: 'answer',
      answer: {
        status: 200,
        headers: [
          ['x-cors', 'yes'],
          ['content-type', 'application/json'],
        ],
        body: '{"jsonrpc":"2.0","id":7,"result":{"ok":true}}',
      },
    })
  })

  test('what takes time is the responder’s, and nobody waits for a client that does not come', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { call, reply } = begun()
    expect(await call.decision(reply, 1000)).toMatchObject({ type: 'respond' })
    expect(call.take(asked())).toBeUndefined()
    expect(call.gone.aborted).toBe(false)
    vi.advanceTimersByTime(20_000)
    expect(call.gone.aborted).toBe(true)
    expect(reply.open).toBe(false)
  })

  test('a call that is taken is a plan; a second one is not taken', async () => {
    const { call, plan } = await carried()
    expect(plan).toMatchObject({ pool: 'direct:up', routeClass: 'mcp-1', destination: '10.0.0.1:80' })
    expect(call.take(asked())).toBeUndefined()
    expect(() => plan.attempt('other', new Map())).toThrow('not for other')
  })
})

describe('a carried call', () => {
  test('shows the server what is written for it and takes off all else', async () => {
    const { plan } = await carried()
    const exchange = attempt(plan, [
      [':path', '/mcp/x'],
      ['authorization', 'Bearer clients'],
      ['cookie', 'a=b'],
      ['traceparent', 'envoys'],
      ['x-request-id', 'r1'],
    ])
    expect(await exchange.request()).toEqual({
      type: 'forward',
      set: [
        [':path', '/mcp'],
        [':authority', 'server'],
        ['content-type', 'application/json'],
        ['authorization', 'Bearer own'],
      ],
      remove: ['cookie'],
      body: bytes('{}'),
    })
  })

  test('holds what comes before the answer back until it is there', async () => {
    const { plan, read } = await carried()
    const exchange = attempt(plan)
    expect(exchange.head(200, new Map([['set-cookie', 'a=b']]))).toBeUndefined()
    expect(await exchange.data(bytes('one'), false)).toBeUndefined()
    const piece = await exchange.data(bytes('two'), true)
    await read
    expect(piece).toMatchObject({ held: 'drop', head: { remove: ['set-cookie'] } })
    expect(piece!.head!.set).toContainEqual(['content-type', 'text/event-stream'])
    const text = Buffer.from(piece!.body!).toString()
    expect(text.match(/data: /g)).toHaveLength(3)
    expect(text.trimEnd().split('\n').at(-1)).toBe('data: {"jsonrpc":"2.0","id":1,"result":{"status":200}}')
  })

  test('lets a question through at once', async () => {
    const { plan, reply } = await carried()
    const exchange = attempt(plan)
    exchange.head(200, new Map())
    reply.ask({ jsonrpc: '2.0', id: 'q', method: 'sampling/createMessage', params: {} })
    const piece = await exchange.data(bytes('one'), false)
    expect(Buffer.from(piece!.body!).toString()).toContain('sampling/createMessage')
    expect(piece!.head).toBeDefined()
  })

  test('that broke off before its answer is answered by the gateway, in the reply’s own words', async () => {
    const { plan } = await carried()
    const exchange = attempt(plan)
    exchange.closed(false)
    expect(exchange.retriable).toBe(true)
    expect(await plan.exhausted()).toMatchObject({ status: 200, body: expect.stringContaining('broke off') })
    // Nothing is sent again where Envoy comes to the server once more.
    expect(await attempt(plan).request()).toMatchObject({ type: 'answer' })
  })

  test('whose client goes away is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { call, plan } = await carried()
    attempt(plan).closed(false)
    vi.advanceTimersByTime(300)
    expect(call.gone.aborted).toBe(true)
    plan.close()
  })
})
