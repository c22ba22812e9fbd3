import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'

/** What an upstream of this file saw, and how it is to behave. */
interface Scripted {
  url: string
  close(): Promise<void>
  seen: { path: string; headers: IncomingMessage['headers']; body: string }[]
  behave: (response: ServerResponse, body: string) => void
}

async function scripted(): Promise<Scripted> {
  const self: Scripted = { url: '', close: async () => undefined, seen: [], behave: () => undefined }
  const server = await upstream((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      self.seen.push({ path: request.url ?? '', headers: request.headers, body })
      self.behave(response, body)
    })
  })
  return Object.assign(self, { url: server.url, close: server.close })
}

const chatAnswer = (text: string) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    }),
  )
}
const messagesAnswer = (text: string) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 3, output_tokens: 2 },
    }),
  )
}
const status =
  (
    code: number,
    headers: Record<string, string> = {},
    body = '{"error":{"message":"scripted failure","type":"t","code":"c"}}',
  ) =>
  (response: ServerResponse) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(body)
  }

let first: Scripted
let second: Scripted
let gateway: TestGateway

beforeAll(async () => {
  process.env.TEST_FIRST_KEY = 'key-of-first'
  process.env.TEST_SECOND_KEY = 'key-of-second'
  first = await scripted()
  second = await scripted()
  gateway = await startGateway({
    providers: {
      first: { type: 'openai-compatible', baseUrl: `${first.url}/one/v1`, apiKey: '${env:TEST_FIRST_KEY}' },
      second: { type: 'anthropic', baseUrl: second.url, apiKey: '${env:TEST_SECOND_KEY}' },
      dead: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', apiKey: '${env:TEST_FIRST_KEY}' },
    },
    models: {
      both: {
        targets: [
          { provider: 'first', model: 'model-of-first' },
          { provider: 'second', model: 'model-of-second', priority: 1 },
        ],
        timeouts: { firstByte: '700ms', total: '20s' },
      },
      'other-first': { targets: [{ provider: 'second' }, { provider: 'first', priority: 1 }] },
      'from-dead': { targets: [{ provider: 'dead' }, { provider: 'second', priority: 1 }] },
      'only-dead': { targets: [{ provider: 'dead' }] },
      'only-first': { targets: [{ provider: 'first' }], timeouts: { firstByte: '500ms', total: '20s' } },
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await first.close()
  await second.close()
})

beforeEach(() => {
  first.seen = []
  second.seen = []
  second.behave = messagesAnswer('from the second')
  for (const [, health] of gateway.gateway.health.entries())
    Object.assign(health, { failures: 0, outUntil: 0, outs: 0 })
})

const chat = (model: string, more: object = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer of-the-client',
      'x-api-key': 'of-the-client',
    },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], ...more }),
  })

const failures: [string, (response: ServerResponse) => void][] = [
  ['503', status(503)],
  ['500', status(500)],
  ['429', status(429)],
  ['a reset', (response) => response.socket?.destroy()],
  ['silence before the headers', () => undefined],
  [
    'headers and then silence',
    (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
    },
  ],
  ['garbage', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>')],
  ['cut JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":')],
]

test.each(failures)('%s of the first target leads to the second, in its own format', async (_, behave) => {
  first.behave = behave
  const response = await chat('both')
  const body = (await response.json()) as { choices: { message: { content: string } }[] }
  expect(response.status).toBe(200)
  expect(body.choices[0]?.message.content).toBe('from the second')
  expect(response.headers.get('x-chaperone-provider')).toBe('second')
  expect(response.headers.get('x-chaperone-tried')).toMatch(/^first\/model-of-first=.*, second\/model-of-second=200$/)
  expect(first.seen).toHaveLength(1)
  expect(second.seen).toHaveLength(1)
})

test('nothing of one target reaches another', async () => {
  first.behave = status(503)
  await (await chat('both')).arrayBuffer()
  const [one] = first.seen
  const [two] = second.seen
  expect(one?.path).toBe('/one/v1/chat/completions')
  expect(one?.headers.authorization).toBe('Bearer key-of-first')
  expect(one?.headers['x-api-key']).toBeUndefined()
  expect(one?.body).toContain('model-of-first')
  expect(two?.path).toBe('/v1/messages')
  expect(two?.headers['x-api-key']).toBe('key-of-second')
  expect(two?.headers.authorization).toBeUndefined()
  expect(two?.headers.host).not.toBe(one?.headers.host)
  expect(JSON.stringify(two)).not.toMatch(/first|of-the-client/)
  expect(JSON.stringify(one)).not.toMatch(/second|of-the-client/)
  for (const request of [one, two])
    for (const name of Object.keys(request?.headers ?? {})) expect(name).not.toMatch(/^x-(chaperone|envoy|forwarded)/)
})

test('a stream that begins with an error leads to the second target', async () => {
  first.behave = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('data: {"error":{"message":"overloaded","type":"server_error","code":"overloaded"}}\n\n')
  }
  second.behave = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const event = (json: { type: string }) => response.write(`event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`)
    event({
      type: 'message_start',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'c',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 3, output_tokens: 1 },
      },
    } as never)
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as never)
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'streamed' } } as never)
    event({ type: 'content_block_stop', index: 0 } as never)
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 2 },
    } as never)
    event({ type: 'message_stop' })
    response.end()
  }
  const response = await chat('both', { stream: true })
  const text = await response.text()
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  expect(text).toContain('"content":"streamed"')
  expect(text).toContain('data: [DONE]')
  expect(text).not.toContain('overloaded')
})

test('a target that refuses connections is left', async () => {
  const response = await chat('from-dead')
  expect(response.status).toBe(200)
  expect(response.headers.get('x-chaperone-tried')).toBe('dead/from-dead=no_response, second/from-dead=200')
})

test('when all fail the client gets the last error and the list', async () => {
  first.behave = status(503)
  second.behave = status(529, {}, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
  const response = await chat('both')
  const body = (await response.json()) as { error: { message: string; type: string }; request_id: string }
  expect(response.status).toBe(529)
  expect(body.error.message).toContain('Overloaded')
  expect(body.request_id).toBe(response.headers.get('x-request-id'))
  expect(response.headers.get('x-chaperone-tried')).toBe('first/model-of-first=503, second/model-of-second=529')
  const record = await gateway.recordOf(body.request_id)
  expect(record.status).toBe(529)
  expect(record.attempts).toHaveLength(2)
})

test('when the only target cannot be reached the client is told so in its own format', async () => {
  const response = await fetch(`${gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'only-dead', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
  })
  const body = (await response.json()) as { type: string; error: { type: string } }
  expect(response.status).toBe(503)
  expect(body).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } })
  expect(response.headers.get('x-chaperone-tried')).toBe('dead/only-dead=no_response')
})

test('what the first choice cannot express goes to a target that can', async () => {
  first.behave = chatAnswer('two of them')
  const response = await chat('other-first', { n: 2 })
  expect(response.status).toBe(200)
  expect(response.headers.get('x-chaperone-provider')).toBe('first')
  expect(response.headers.get('x-chaperone-tried')).toBeNull()
  await response.arrayBuffer()
})

test('an error of the request is not tried elsewhere', async () => {
  first.behave = status(
    400,
    {},
    '{"error":{"message":"context too long","type":"invalid_request_error","code":"context_length_exceeded","param":"messages"}}',
  )
  const response = await chat('both')
  const body = (await response.json()) as { error: { code: string } }
  expect(response.status).toBe(400)
  expect(body.error.code).toBe('context_length_exceeded')
  expect(second.seen).toHaveLength(0)
})

test('Retry-After keeps a target out', async () => {
  first.behave = status(429, { 'retry-after': '30' })
  await (await chat('both')).arrayBuffer()
  first.behave = chatAnswer('from the first')
  const response = await chat('both')
  await response.arrayBuffer()
  expect(response.headers.get('x-chaperone-provider')).toBe('second')
  expect(first.seen).toHaveLength(1)
})

test('a body of two MiB fails over as well', async () => {
  first.behave = status(503)
  const response = await chat('both', { messages: [{ role: 'user', content: 'x'.repeat(2 * 1024 * 1024) }] })
  expect(response.status).toBe(200)
  expect(second.seen[0]?.body.length).toBeGreaterThan(2 * 1024 * 1024)
})

test('silence of the only target ends in its own error', async () => {
  first.behave = () => undefined
  const response = await chat('only-first')
  expect(response.status).toBe(503)
  expect(((await response.json()) as { error: { code: string } }).error.code).toBe('upstream_unreachable')
})
