import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'

/** Providers that break off, fall silent or talk nonsense after the answer has begun, when no other can take over. */
let provider: Awaited<ReturnType<typeof upstream>>
let gateway: TestGateway
let behave: (response: ServerResponse, path: string) => void

beforeAll(async () => {
  process.env.TEST_KEY = 'k'
  provider = await upstream((request, response) => {
    request.resume()
    request.on('end', () => behave(response, request.url ?? ''))
  })
  gateway = await startGateway({
    providers: {
      same: { type: 'openai-compatible', baseUrl: `${provider.url}/v1` },
      other: { type: 'anthropic', baseUrl: provider.url, apiKey: '${env:TEST_KEY}' },
    },
    models: {
      same: { targets: [{ provider: 'same' }], timeouts: { firstByte: '500ms', total: '20s' } },
      other: { targets: [{ provider: 'other' }], timeouts: { firstByte: '500ms', total: '20s' } },
      hasty: { targets: [{ provider: 'same' }], timeouts: { firstByte: '10s', total: '700ms' } },
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await provider?.close()
})

const chunk = `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'begun' }, finish_reason: null }] })}\n\n`
const messageEvents = [
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 9, output_tokens: 1 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'begun' } },
]
  .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  .join('')

function begin(response: ServerResponse, path: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(path.endsWith('/messages') ? messageEvents : chunk)
}

/** Reads a stream to its end, however that comes. */
async function read(model: string): Promise<{ id: string; text: string; broke: boolean }> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
  })
  const id = response.headers.get('x-request-id')!
  expect(response.status).toBe(200)
  let text = ''
  try {
    for await (const piece of response.body!) text += Buffer.from(piece as Uint8Array).toString()
    return { id, text, broke: false }
  } catch {
    return { id, text, broke: true }
  }
}

const cases: [name: string, behave: (response: ServerResponse, path: string) => void][] = [
  [
    'the connection breaks',
    (response, path) => {
      begin(response, path)
      setTimeout(() => response.destroy(), 30)
    },
  ],
  ['silence', begin],
  [
    'the stream ends too early',
    (response, path) => {
      begin(response, path)
      setTimeout(() => response.end(), 30)
    },
  ],
  [
    'garbage',
    (response, path) => {
      begin(response, path)
      setTimeout(() => response.end('data: {"broken\n\n\u0000\u0001\u0002'), 30)
    },
  ],
]

test.each(cases)('translated stream, then %s: the client is told or cut, and the record says so', async (_, how) => {
  behave = how
  const { id, text, broke } = await read('other')
  expect(text).toContain('begun')
  expect(text).not.toContain('[DONE]')
  // Where the stream could still be written to, it ends in an error event of the client's own API.
  if (!broke) expect(text).toMatch(/data: \{"error":\{"message":/)
  const record = await gateway.recordOf(id)
  expect(record).toMatchObject({ status: 200, stream: true })
  expect(record.aborted || record.errorCode !== undefined).toBe(true)
  expect(record.usage).toMatchObject({ input: 9 })
})

test.each(cases)('passed-on stream, then %s: what came is passed on, and nothing hangs', async (name, how) => {
  behave = how
  const { id, text, broke } = await read('same')
  expect(text).toContain('begun')
  if (name === 'the connection breaks' || name === 'silence') expect(broke).toBe(true)
  const record = await gateway.recordOf(id)
  expect(record).toMatchObject({ status: 200, stream: true })
})

test('the whole request has its time, however lively the stream', async () => {
  let timer: NodeJS.Timeout | undefined
  behave = (response, path) => {
    begin(response, path)
    timer = setInterval(() => response.write(chunk), 50)
    response.on('close', () => clearInterval(timer))
  }
  const began = performance.now()
  const { text, broke } = await read('hasty')
  expect(text).toContain('begun')
  expect(broke).toBe(true)
  expect(performance.now() - began).toBeLessThan(3_000)
})

test('a client that goes away in the middle ends the provider’s stream as well', async () => {
  let closed: () => void = () => undefined
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  behave = (response, path) => {
    begin(response, path)
    const timer = setInterval(() => response.write(chunk), 20)
    response.on('close', () => {
      clearInterval(timer)
      closed()
    })
  }
  const abort = new AbortController()
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'same', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    signal: abort.signal,
  })
  await response.body!.getReader().read()
  abort.abort()
  await gone
  const record = await gateway.recordOf(response.headers.get('x-request-id')!)
  expect(record).toMatchObject({ aborted: true, usage: { estimated: true } })
  expect(record.usage!.output).toBeGreaterThan(0)
})
