import { connect, createServer, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeFrame } from '../src/a2a/grpc/frames.ts'
import { writeMessage } from '../src/a2a/translate/wire.ts'
import { frameOf, grpcCall } from './a2a/grpc-call.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

/** What clients and agents of gRPC should not do: a status that says why, a record, and nothing that hangs. */

let gateway: TestGateway
/** What the agent does with a call; a test sets it. */
let behave: (stream: ServerHttp2Stream) => void
const agent = createServer()
const longest = 64 * 1024

beforeAll(async () => {
  agent.on('stream', (stream) => {
    stream.on('error', () => undefined)
    stream.resume()
    behave(stream)
  })
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(agent.address() as AddressInfo).port}`
  const at = (version: '0.3' | '1.0') => ({ url, interfaces: [{ url, binding: 'grpc' as const, version }] })
  gateway = await startGateway({
    listeners: { default: { port: await freePort(), maxRequestBytes: longest } },
    a2a: {
      agents: {
        agent: { ...at('1.0'), callTimeout: '1s', streamIdle: '1s' },
        old: at('0.3'),
        narrow: { ...at('1.0'), offer: { versions: ['1.0'] } },
        json: { ...at('1.0'), offer: { bindings: ['jsonrpc'] } },
        dead: {
          url,
          interfaces: [{ url: `http://127.0.0.1:${await freePort()}`, binding: 'grpc', version: '1.0' }],
        },
      },
    },
  })
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  agent.close()
})

const hi = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }] } }
const send = (json: object = { tenant: 'agent', ...hi }, headers: Record<string, string> = {}) =>
  grpcCall(gateway.url, { operation: 'sendMessage', json }, headers)
const service = '/lf.a2a.v1.A2AService'

describe('clients', () => {
  test.each<[string, () => ReturnType<typeof grpcCall>, number, string | undefined]>([
    ['another version than the service’s', () => send(undefined, { 'a2a-version': '0.3' }), 9, 'VERSION_NOT_SUPPORTED'],
    ['an unknown version', () => send(undefined, { 'a2a-version': '7.1' }), 9, 'VERSION_NOT_SUPPORTED'],
    [
      'a version that is not offered',
      () =>
        grpcCall(
          gateway.url,
          {
            operation: 'sendMessage',
            version: '0.3',
            json: { request: { messageId: 'm', role: 'ROLE_USER', content: [{ text: 'hi' }] } },
          },
          { 'chaperone-agent': 'narrow' },
        ),
      9,
      'VERSION_NOT_SUPPORTED',
    ],
    ['a binding that is not offered', () => send({ tenant: 'json', ...hi }), 12, undefined],
    ['an unknown agent', () => send({ tenant: 'nobody', ...hi }), 12, undefined],
    ['no agent', () => send(hi), 3, undefined],
    [
      'an unknown method',
      () => grpcCall(gateway.url, { operation: 'sendMessage', path: `${service}/Eat` }, { 'chaperone-agent': 'agent' }),
      12,
      undefined,
    ],
    ['an unknown service', () => grpcCall(gateway.url, { operation: 'getTask', path: '/a.B/C' }), 12, undefined],
    [
      'bytes that are no message',
      () =>
        grpcCall(
          gateway.url,
          { operation: 'sendMessage', body: writeFrame(Buffer.from('{"message": "hi"}')) },
          { 'chaperone-agent': 'agent' },
        ),
      3,
      undefined,
    ],
    ['no message', () => send({ tenant: 'agent' }), 3, undefined],
    [
      'two messages',
      () => {
        const one = frameOf('sendMessage', '1.0', { tenant: 'agent', ...hi })
        const body = Buffer.concat([one, one])
        return grpcCall(gateway.url, { operation: 'sendMessage', body }, { 'chaperone-agent': 'agent' })
      },
      3,
      undefined,
    ],
    [
      'a compressed message',
      () => {
        const body = frameOf('sendMessage', '1.0', { tenant: 'agent', ...hi })
        body[0] = 1
        return grpcCall(gateway.url, { operation: 'sendMessage', body }, { 'chaperone-agent': 'agent' })
      },
      12,
      undefined,
    ],
    [
      'messages of JSON',
      () => send(undefined, { 'content-type': 'application/grpc+json', 'chaperone-agent': 'agent' }),
      3,
      undefined,
    ],
  ])('%s', async (_, call, status, reason) => {
    let asked = 0
    behave = (stream) => {
      asked++
      stream.close()
    }
    const answer = await call()
    expect(answer).toMatchObject({ httpStatus: 200, status, messages: [] })
    expect(answer.headers['content-type']).toBe('application/grpc')
    expect(answer.message).not.toBe('')
    if (reason !== undefined) expect(answer).toMatchObject({ reason, domain: 'a2a-protocol.org' })
    expect(asked).toBe(0)
  })

  test('each of these is in the records', () => {
    const kinds = gateway.a2aRecords.map(({ binding, error }) => `${binding} ${error}`)
    for (const kind of ['versionNotSupported', 'methodNotFound', 'invalidRequest', 'invalidParams'])
      expect(kinds).toContain(`grpc ${kind}`)
  })

  test('what is no gRPC, where only that is spoken', async () => {
    const response = await fetch(`${gateway.url}${service}/SendMessage`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect(response.status).toBe(415)
    expect(await response.json()).toMatchObject({ error: expect.stringContaining('application/grpc') })
  })

  test.each([longest, longest + 9, 3 * longest])('a message of %d bytes and more', async (length) => {
    const parts = [{ text: 'x'.repeat(length) }]
    const answer = await send({ tenant: 'agent', message: { ...hi.message, parts } })
    expect(answer).toMatchObject({ httpStatus: 200, status: 8, message: expect.stringContaining('maxRequestBytes') })
    // Envoy's own words: it refuses the longest ones by itself.
    if (length > 2 * longest) expect(answer).toMatchObject({ reason: 'REQUEST_TOO_LARGE', domain: 'chaperone' })
  })

  test('one that goes away leaves nothing open at the agent', async () => {
    const left = new Promise<void>((resolve) => {
      behave = (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
        stream.write(working())
        stream.on('close', () => resolve())
      }
    })
    const leave = new AbortController()
    const call = { operation: 'streamMessage' as const, json: { tenant: 'agent', ...hi } }
    const over = grpcCall(gateway.url, call, {}, { seen: () => leave.abort(), signal: leave.signal })
    await expect(over).rejects.toThrow()
    await left
    await eventually(() => expect(gateway.a2aRecords.at(-1)).toMatchObject({ aborted: true, events: 1 }))
    expect(gateway.a2aStreams.at(-1)).toMatchObject({ from: 'TASK_STATE_WORKING', to: undefined })
  })
})

const taskOf = (state: string) => ({ task: { id: `t-${Math.random()}`, contextId: 'c', status: { state } } })
const grpc1 = { binding: 'grpc', version: '1.0' } as const
const working = () => writeMessage('streamMessage', taskOf('TASK_STATE_WORKING'), grpc1)
const done = () => writeMessage('sendMessage', taskOf('TASK_STATE_COMPLETED'), grpc1)

/** Answers with these pieces and trailers. */
const answers =
  (pieces: Uint8Array[], trailers: Record<string, string> | undefined, head: Record<string, string | number> = {}) =>
  (stream: ServerHttp2Stream) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', ...head },
      { waitForTrailers: trailers !== undefined },
    )
    stream.on('wantTrailers', () => stream.sendTrailers(trailers!))
    for (const piece of pieces) stream.write(piece)
    stream.end()
  }

/** Answers as what knows nothing of gRPC does. */
const page = (head: OutgoingHttpHeaders) => (stream: ServerHttp2Stream) => {
  stream.respond(head)
  stream.end('<html>')
}

describe('agents', () => {
  test.each<[string, (stream: ServerHttp2Stream) => void, number, string | undefined]>([
    ['answer with nothing', answers([], { 'grpc-status': '0' }), 13, 'INVALID_AGENT_RESPONSE'],
    ['answer twice', answers([done(), done()], { 'grpc-status': '0' }), 13, 'INVALID_AGENT_RESPONSE'],
    [
      'answer with what is no task',
      answers([writeFrame(new Uint8Array(0))], { 'grpc-status': '0' }),
      13,
      'INVALID_AGENT_RESPONSE',
    ],
    ['end without a status', answers([done()], undefined), 14, undefined],
    ['end inside a message', answers([done().subarray(0, 9)], { 'grpc-status': '0' }), 13, 'INVALID_AGENT_RESPONSE'],
    ['compress', answers([Buffer.from([1, 0, 0, 0, 0])], { 'grpc-status': '0' }), 13, 'INVALID_AGENT_RESPONSE'],
    [
      'say that a message is endless',
      answers([Buffer.from([0, 255, 255, 255, 255])], { 'grpc-status': '0' }),
      13,
      'INVALID_AGENT_RESPONSE',
    ],
    ['are a web page', page({ ':status': 404, 'content-type': 'text/html' }), 13, 'INVALID_AGENT_RESPONSE'],
    ['are behind something that is full', page({ ':status': 503 }), 14, undefined],
    ['redirect', page({ ':status': 302, location: 'http://169.254.169.254/' }), 13, 'INVALID_AGENT_RESPONSE'],
    ['break off', (stream) => stream.close(2), 14, undefined],
    ['are silent', () => undefined, 4, undefined],
    [
      'have an error of their own',
      answers([], undefined, { 'grpc-status': '5', 'grpc-message': 'no%20such%20thing' }),
      5,
      'TASK_NOT_FOUND',
    ],
    [
      'name an error of 0.3',
      answers([], { 'grpc-status': '12', 'grpc-message': 'TaskNotCancelableError: it is over' }),
      9,
      'TASK_NOT_CANCELABLE',
    ],
  ])('%s', async (_, then, status, reason) => {
    behave = then
    const answer = await send()
    expect(answer).toMatchObject({ httpStatus: 200, status, messages: [] })
    if (reason !== undefined) expect(answer.reason).toBe(reason)
    expect(answer.message).not.toBe('')
  })

  test('an agent’s error gets to a client of JSON in its own binding', async () => {
    behave = answers([], undefined, { 'grpc-status': '5', 'grpc-message': 'no%20such%20thing' })
    const response = await fetch(`${gateway.url}/a2a/agent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 4, method: 'SendMessage', params: hi }),
    })
    expect(await response.json()).toMatchObject({ id: 4, error: { code: -32001, message: 'no such thing' } })
  })

  test.each<[string, (stream: ServerHttp2Stream) => void, number]>([
    ['is cut', (stream) => stream.close(2), 14],
    ['is cut inside a message', (stream) => void stream.write(working().subarray(0, 7), () => stream.close(2)), 14],
    ['falls silent', () => undefined, 4],
    ['ends without a status', (stream) => void stream.end(), 14],
    ['goes on with what is no event', (stream) => void stream.write(writeFrame(new Uint8Array(0))), 13],
  ])('a stream that %s', async (_, then, status) => {
    behave = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(working(), () => setTimeout(() => then(stream), 50))
    }
    const answer = await grpcCall(gateway.url, { operation: 'streamMessage', json: { tenant: 'agent', ...hi } })
    expect(answer.messages).toMatchObject([{ task: { status: { state: 'TASK_STATE_WORKING' } } }])
    expect(answer.status).toBe(status)
    expect(gateway.a2aRecords.at(-1)).toMatchObject({ events: 1, state: 'TASK_STATE_WORKING', binding: 'grpc' })
  })

  test('a cut stream is told of by server-sent events as well', async () => {
    behave = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(working(), () => setTimeout(() => stream.close(2), 50))
    }
    const response = await fetch(`${gateway.url}/a2a/agent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 4, method: 'SendStreamingMessage', params: hi }),
    })
    expect(await response.text()).toMatch(/TASK_STATE_WORKING.*\n\ndata: .*"code":-32085/)
  })

  test('one that is away is said to be, and not where it was looked for', async () => {
    const answer = await send({ tenant: 'dead', ...hi })
    expect(answer).toMatchObject({ status: 14, message: 'The agent cannot be reached; try again later' })
  })

  test('what 0.3 cannot say is refused', async () => {
    const answer = await grpcCall(gateway.url, { operation: 'listTasks', json: { tenant: 'old' } })
    expect(answer).toMatchObject({ status: 9, reason: 'UNSUPPORTED_OPERATION' })
  })
})

test('many calls at a time, on one connection', async () => {
  behave = (stream) => answers([done()], { 'grpc-status': '0' })(stream)
  const session = connect(gateway.url)
  const statuses = await Promise.all(
    Array.from(
      { length: 50 },
      () =>
        new Promise((resolve) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': `${service}/SendMessage`,
            'content-type': 'application/grpc',
            te: 'trailers',
          })
          stream.on('trailers', (trailers) => resolve(trailers['grpc-status']))
          stream.on('response', (head) => head['grpc-status'] !== undefined && resolve(head['grpc-status']))
          stream.resume()
          stream.end(frameOf('sendMessage', '1.0', { tenant: 'agent', ...hi }))
        }),
    ),
  )
  session.close()
  expect(new Set(statuses)).toEqual(new Set(['0']))
})

test('the operator hears of what broke, and nothing of what was said', () => {
  const said = gateway.reports.map(({ error }) => String(error)).join('\n')
  expect(said).not.toContain('"hi"')
  expect(said).not.toMatch(/TypeError|ReferenceError/)
})

test('without its service Envoy says so, as gRPC', async () => {
  await gateway.gateway.stop(0)
  expect(await send()).toMatchObject({
    httpStatus: 200,
    status: 14,
    reason: 'GATEWAY_UNAVAILABLE',
    domain: 'chaperone',
    message: expect.stringContaining('nothing was sent to an agent'),
  })
})
