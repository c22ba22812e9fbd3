import { randomBytes } from 'node:crypto'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { type StepsServer, startStepsServer } from './mcp/steps-server.ts'

/** Streams to clients of the old era that are cut in the middle, and gone on with, through a real Envoy. */

let gateway: TestGateway
/** Another replica, with the same rules and keys. */
let second: TestGateway
let steps: StepsServer
const keys: Record<string, string> = {}

beforeAll(async () => {
  steps = await startStepsServer()
  process.env.MCP_RESUME_SEAL = randomBytes(32).toString('base64')
  const rules = async () => ({
    listeners: {
      default: { port: await freePort() },
      keyed: { port: await freePort(), identity: { accept: ['key' as const] } },
    },
    mcp: {
      servers: {
        steps: { type: 'http' as const, url: steps.url },
        process: {
          type: 'stdio' as const,
          command: process.execPath,
          args: ['--import', 'tsx', 'test/mcp/steps-stdio.ts'],
        },
      },
      sessions: { keys: [{ id: 'k1', secret: '${env:MCP_RESUME_SEAL}' }] },
      keepAlive: '300ms',
    },
  })
  ;[gateway, second] = await Promise.all([rules().then(startGateway), rules().then(startGateway)])
  for (const user of ['ann', 'bob']) keys[user] = (await gateway.keys.create({ user, name: user })).text
})

afterAll(async () => {
  await Promise.all([gateway?.stop(), second?.stop()])
  await steps?.stop()
})

/** How often clients came again for the rest of a stream. */
let resumed = 0

/** Cuts the stream of the first call of a tool after so many events. */
function cutting(after: number, to: () => string = () => gateway.url): typeof fetch {
  let left = after
  return async (input, init) => {
    const path = new URL(String(input))
    if (new Headers(init?.headers).has('last-event-id')) resumed++
    const response = await fetch(`${to()}${path.pathname}`, init)
    const isCall = typeof init?.body === 'string' && init.body.includes('"tools/call"')
    const stream = response.headers.get('content-type')?.includes('event-stream') && response.body
    if (!stream || left < 0 || !isCall) return response
    const controller = new AbortController()
    const reader = stream.getReader()
    const cut = new ReadableStream<Uint8Array>({
      async pull(sink) {
        const { value, done } = await reader.read()
        if (done) return sink.close()
        sink.enqueue(value)
        left -= new TextDecoder().decode(value).split('"notifications/progress"').length - 1
        if (left > 0) return
        left = -1
        await reader.cancel()
        controller.abort()
        sink.error(new Error('the connection was cut'))
      },
    })
    return new Response(cut, response)
  }
}

async function connect(fetcher: typeof fetch): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {} } } })
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ann' } }))
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), {
      fetch: fetcher,
      reconnectionOptions: {
        initialReconnectionDelay: 50,
        maxReconnectionDelay: 200,
        reconnectionDelayGrowFactor: 1,
        maxRetries: 5,
      },
    }),
  )
  return client
}

/** Calls a tool that tells of each of its steps. */
async function stepped(client: Client, name: string, count: number): Promise<{ steps: number[]; text: string }> {
  const told: number[] = []
  const { content } = await client.callTool({ name, arguments: { count } }, undefined, {
    onprogress: ({ progress }) => void told.push(progress),
    timeout: 20_000,
  })
  return { steps: told, text: (content as { text: string }[])[0]!.text }
}

/** Events as they are. */
interface Event {
  readonly id: string | undefined
  readonly retry: number | undefined
  readonly data:
    | { readonly method?: string; readonly id?: unknown; readonly result?: unknown; readonly error?: unknown }
    | undefined
}

async function* eventsOf(response: Response): AsyncGenerator<Event> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(piece, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
      const data = field('data')
      if (data === undefined) continue
      const retry = field('retry')
      yield {
        id: field('id'),
        retry: retry === undefined ? undefined : Number(retry),
        data: data === '' ? undefined : JSON.parse(data),
      }
    }
  }
}

/** A session without an SDK. */
async function session(user?: string) {
  const base = user === undefined ? gateway.url : `http://127.0.0.1:${gateway.rules.listeners.keyed!.port}`
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(user !== undefined && { authorization: `Bearer ${keys[user]}` }),
  }
  const opened = await fetch(`${base}/mcp`, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
    }),
  })
  await opened.text()
  const known = { ...headers, 'mcp-session-id': opened.headers.get('mcp-session-id')! }
  return {
    call: (name: string, count: number, id: number | string = 1, progress = true) =>
      fetch(`${base}/mcp`, {
        method: 'POST',
        headers: known,
        body: JSON.stringify({
          jsonrpc: '2.0',
          id,
          method: 'tools/call',
          params: { name, arguments: { count }, ...(progress && { _meta: { progressToken: 'p' } }) },
        }),
      }),
    listen: (lastEventId: string | undefined, at = base, controller = new AbortController()) =>
      fetch(`${at}/mcp`, {
        headers: { ...known, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
        signal: controller.signal,
      }),
  }
}

/** Reads a call's events until there are so many with data, and cuts the connection. @returns the last id */
async function cutAfter(call: Promise<Response>, count: number): Promise<string> {
  let seen = 0
  // Leaving the loop cancels the body, and with it the connection.
  for await (const { id, data } of eventsOf(await call)) if (data && ++seen === count) return id!
  throw new Error('the stream ended')
}

describe('the SDK’s client gets everything once', () => {
  test.each([
    ['a server that resumes', 'steps_steps', 1],
    ['a server that resumes', 'steps_steps', 4],
    ['a process', 'process_steps', 1],
    ['a process', 'process_steps', 4],
  ])('%s: %s, cut after %i events', async (_, name, after) => {
    const client = await connect(cutting(after))
    const before = resumed
    const told = await stepped(client, name, 8)
    expect(resumed).toBeGreaterThan(before)
    expect(told).toEqual({ steps: [1, 2, 3, 4, 5, 6, 7, 8], text: '8 steps' })
    await client.close()
  })

  test('at another replica, where the server resumes', async () => {
    let base = gateway.url
    const cut = cutting(3, () => base)
    const client = await connect((input, init) => {
      // What comes after the cut goes elsewhere.
      if (new Headers(init?.headers).has('last-event-id')) base = second.url
      return cut(input, init)
    })
    const told = await stepped(client, 'steps_steps', 8)
    expect(told).toEqual({ steps: [1, 2, 3, 4, 5, 6, 7, 8], text: '8 steps' })
    expect(base).toBe(second.url)
    await client.close()
  })

  test('a server that ends its stream and wants to be asked again (SEP-1699)', async () => {
    const client = await connect(fetch)
    const polls = steps.polls()
    expect(await stepped(client, 'steps_poll', 1)).toMatchObject({ text: 'polled' })
    expect(steps.polls()).toBe(polls + 1)
    await client.close()
  })
})

describe('a stream', () => {
  test('that its server ends for now ends for the client too, with the server’s retry', async () => {
    const raw = await session()
    const events: Event[] = []
    for await (const event of eventsOf(await raw.call('steps_poll', 1))) events.push(event)
    expect(events).toEqual([{ id: expect.any(String), retry: 100, data: undefined }])
    const rest: Event[] = []
    for await (const event of eventsOf(await raw.listen(events[0]!.id))) rest.push(event)
    expect(rest.at(-1)?.data).toMatchObject({ id: 1, result: { content: [{ type: 'text', text: 'polled' }] } })
  })

  test('begins where the server’s does, also when the client’s own request carries the call', async () => {
    const raw = await session()
    // From the second on it is known that the answer comes soon.
    for (let time = 0; time < 3; time++) {
      const events: Event[] = []
      for await (const event of eventsOf(await raw.call('steps_change', 1, `call ${time}`, false))) events.push(event)
      expect(events).toMatchObject([
        { id: expect.any(String), data: undefined },
        { id: expect.any(String), data: { id: `call ${time}`, result: { content: [{ text: 'changed' }] } } },
      ])
      const again: Event[] = []
      for await (const event of eventsOf(await raw.listen(events[0]!.id))) again.push(event)
      expect(again.at(-1)?.data).toEqual(events[1]!.data)
    }
  })

  test('does not end the call when it is cut, and the answer is the one of the request', async () => {
    const raw = await session()
    const cancelled = steps.cancelled()
    const last = await cutAfter(raw.call('steps_steps', 6, 'mine'), 2)
    const rest: Event[] = []
    for await (const event of eventsOf(await raw.listen(last))) rest.push(event)
    const told = rest.filter(({ data }) => data)
    expect(told.map(({ data }) => data?.method ?? data?.id)).toEqual([
      ...Array(4).fill('notifications/progress'),
      'mine',
    ])
    expect(steps.cancelled()).toBe(cancelled)
    // Every event can be gone on from, also of the stream that was gone on with.
    const again: Event[] = []
    for await (const event of eventsOf(await raw.listen(told[2]!.id))) again.push(event)
    expect(again.filter(({ data }) => data).map(({ data }) => data?.method ?? data?.id)).toEqual([
      'notifications/progress',
      'mine',
    ])
  })

  test('that this process holds is lost elsewhere: the request gets an error', async () => {
    const raw = await session()
    const last = await cutAfter(raw.call('process_steps', 6, 7), 2)
    const told: Event[] = []
    for await (const event of eventsOf(await raw.listen(last, second.url))) told.push(event)
    expect(told.at(-1)?.data).toMatchObject({ id: 7, error: { code: -32603 } })
  })

  test('of what servers say by themselves goes on with what was said meanwhile', async () => {
    const raw = await session()
    const controller = new AbortController()
    const listening = eventsOf(await raw.listen(undefined, gateway.url, controller))
    const { value: first } = await listening.next()
    expect(first).toMatchObject({ id: expect.any(String), data: undefined })
    controller.abort()
    await expect(listening.next()).rejects.toThrow()
    for await (const _ of eventsOf(await raw.call('steps_change', 1)));
    const again = new AbortController()
    const { value: told } = await eventsOf(await raw.listen(first!.id, gateway.url, again)).next()
    expect(told?.data).toMatchObject({ method: 'notifications/tools/list_changed' })
    again.abort()
    // Elsewhere it is not known what was missed.
    const other = new AbortController()
    const methods: string[] = []
    for await (const { data } of eventsOf(await raw.listen(first!.id, second.url, other))) {
      if (data?.method) methods.push(data.method)
      if (methods.length === 3) break
    }
    other.abort()
    expect(methods.sort()).toEqual(
      ['prompts', 'resources', 'tools'].map((kind) => `notifications/${kind}/list_changed`),
    )
  })
})

test('ids that are forged, or another’s, are refused', async () => {
  const [ann, bob] = [await session('ann'), await session('bob')]
  const last = await cutAfter(ann.call('steps_steps', 6), 2)
  const other = await session('ann')
  const forged = `${last.slice(0, -4)}AAAA`
  for (const refused of [
    bob.listen(last),
    other.listen(last),
    ann.listen(forged),
    ann.listen('1'),
    ann.listen('k1.'),
  ]) {
    const response = await refused
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error: { code: -32000, message: expect.stringContaining('Last-Event-ID') },
    })
  }
  // It is still good for whom it was given to.
  const events: Event[] = []
  for await (const event of eventsOf(await ann.listen(last))) events.push(event)
  expect(events.at(-1)?.data).toMatchObject({ id: 1, result: {} })
})
