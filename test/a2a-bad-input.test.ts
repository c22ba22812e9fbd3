import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

/** What clients and agents should not do: the protocol's own error in the caller's binding, and nothing that hangs. */

let gateway: TestGateway
let agent: Awaited<ReturnType<typeof upstream>>
let evil: Awaited<ReturnType<typeof upstream>>
/** What the agent does with a call; a test sets it. */
let behave: (request: IncomingMessage, response: ServerResponse, body: string) => void

const longest = 64 * 1024

beforeAll(async () => {
  agent = await upstream((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => behave(request, response, body))
  })
  const port = await freePort()
  // A card that leads back to the gateway, to a host of the inside, and to a scheme that is none.
  evil = await upstream((_, response) => {
    const urls = [`http://127.0.0.1:${port}/a2a/evil`, 'http://169.254.169.254/latest', 'file:///etc/passwd']
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        name: 'Evil',
        description: 'e',
        version: '1',
        supportedInterfaces: urls.map((url) => ({ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' })),
        capabilities: {},
        defaultInputModes: [],
        defaultOutputModes: [],
        skills: [],
      }),
    )
  })
  const interfaces = (binding: 'jsonrpc' | 'http+json') => [{ url: agent.url, binding, version: '1.0' as const }]
  gateway = await startGateway({
    listeners: { default: { port, maxRequestBytes: longest } },
    a2a: {
      agents: {
        rpc: { url: agent.url, interfaces: interfaces('jsonrpc'), callTimeout: '2s', streamIdle: '2s' },
        rest: { url: agent.url, interfaces: interfaces('http+json') },
        narrow: { url: agent.url, interfaces: interfaces('jsonrpc'), offer: { versions: ['1.0'] } },
        evil: { url: evil.url, hosts: [`127.0.0.1:${port}`] },
      },
    },
  })
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  await agent?.close()
  await evil?.close()
})

const json = 'application/json'
const params = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hi' }] } }
const rpcBody = (method: string, more: unknown = params) =>
  JSON.stringify({ jsonrpc: '2.0', id: 9, method, params: more })

/** Sends something to a path below /a2a. */
function send(path: string, body: string | undefined, headers: Record<string, string> = {}) {
  return fetch(`${gateway.url}/a2a/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': json, 'a2a-version': '1.0', ...headers },
    ...(body !== undefined && { body }),
    signal: AbortSignal.timeout(15_000),
  })
}

const task = (state: string) => ({ task: { id: `t-${Math.random()}`, contextId: 'c', status: { state } } })

describe('clients', () => {
  test.each<[string, string, string | undefined, Record<string, string>, number, object]>([
    ['an unknown version', 'rpc', rpcBody('SendMessage'), { 'a2a-version': '7.1' }, 200, { code: -32009 }],
    ['an unknown method', 'rpc', rpcBody('SendNothing'), {}, 200, { code: -32601 }],
    ['a method of another version', 'rpc', rpcBody('message/send'), {}, 200, { code: -32601 }],
    ['what is no JSON', 'rpc', '{', {}, 200, { code: -32700 }],
    ['a batch', 'rpc', `[${rpcBody('SendMessage')}]`, {}, 200, { code: -32600 }],
    ['parameters that are none', 'rpc', rpcBody('SendMessage', { message: 'hi' }), {}, 200, { code: -32602 }],
    ['another content type', 'rpc', rpcBody('SendMessage'), { 'content-type': 'text/plain' }, 200, { code: -32005 }],
    [
      'a version that is not offered',
      'narrow',
      rpcBody('message/send', {
        message: { kind: 'message', messageId: '1', role: 'user', parts: [{ kind: 'text', text: 'hi' }] },
      }),
      { 'a2a-version': '0.3' },
      200,
      { code: -32009 },
    ],
    ['an unknown agent', 'nobody', rpcBody('SendMessage'), {}, 200, { code: -32601 }],
    ['an unknown agent by HTTP+JSON', 'nobody/message:send', '{}', {}, 404, { status: 'UNIMPLEMENTED' }],
    ['an unknown path', 'rpc/message:eat', '{}', {}, 404, { status: 'UNIMPLEMENTED' }],
    [
      'a callback where there are none',
      'rpc',
      rpcBody('CreateTaskPushNotificationConfig', { taskId: 't', url: 'http://169.254.169.254/' }),
      {},
      200,
      { code: -32001 },
    ],
  ])('%s', async (_, path, body, headers, status, error) => {
    let asked = 0
    behave = (__, response) => {
      asked++
      response.end('{}')
    }
    const response = await send(path, body, headers)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error })
    expect(asked).toBe(0)
  })

  test('a path upwards is nobody’s', async () => {
    const response = await send('rpc/tasks/..%2f..%2fadmin', undefined)
    await response.arrayBuffer()
    // Envoy's own refusal: no server should have to make sense of an escaped slash.
    expect(response.status).toBe(400)
  })

  test('a body that is too long', async () => {
    const long = { message: { ...params.message, parts: [{ text: 'x'.repeat(longest) }] } }
    const response = await send('rpc', rpcBody('SendMessage', long))
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({
      jsonrpc: '2.0',
      error: {
        code: -32084,
        message: expect.stringContaining('maxRequestBytes'),
        data: expect.arrayContaining([expect.objectContaining({ domain: 'chaperone' })]),
      },
    })
    const rest = await send('rest/message:send', JSON.stringify(long))
    expect(rest.status).toBe(413)
    expect(await rest.json()).toMatchObject({ error: { code: 413, status: 'INVALID_ARGUMENT' } })
  })

  test('brackets without end', async () => {
    const deep = `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`
    expect(await (await send('rpc', deep)).json()).toMatchObject({ error: { code: -32600 } })
  })

  test('a client that goes away leaves nothing open at the agent', async () => {
    const left = new Promise<void>((resolve) => {
      behave = (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: task('TASK_STATE_WORKING') })}\n\n`)
        response.on('close', () => resolve())
      }
    })
    const response = await send('rpc', rpcBody('SendStreamingMessage'))
    const reader = response.body!.getReader()
    await reader.read()
    await reader.cancel()
    await left
  })
})

describe('agents', () => {
  const answers = (status: number, body: string, type = json) => {
    behave = (_, response) => response.writeHead(status, { 'content-type': type }).end(body)
  }
  const error = async (path = 'rpc', body = rpcBody('SendMessage')) => {
    const { error: said } = (await (await send(path, body)).json()) as { error: { code: number; message: string } }
    return said
  }

  test('a page instead of an answer', async () => {
    answers(200, '<html>Sign in</html>', 'text/html')
    expect(await error()).toMatchObject({ code: -32006 })
  })

  test('an answer without anything in it', async () => {
    answers(200, '{"jsonrpc":"2.0","id":1,"result":{}}')
    expect(await error()).toMatchObject({ code: -32006 })
  })

  test('an error of its own goes on in the caller’s binding', async () => {
    answers(
      404,
      JSON.stringify({
        error: {
          code: 404,
          status: 'NOT_FOUND',
          message: 'no such thing',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: 'TASK_NOT_FOUND',
              domain: 'a2a-protocol.org',
            },
          ],
        },
      }),
    )
    expect(await error('rest')).toMatchObject({ code: -32001, message: 'no such thing' })
  })

  test('silence', async () => {
    behave = () => undefined
    expect(await error()).toMatchObject({ code: -32086 })
  })

  test('an answer without end is cut', async () => {
    behave = (_, response) => {
      response.writeHead(200, { 'content-type': json })
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(1 << 20)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    }
    expect(await error()).toMatchObject({ code: -32006 })
  })

  test('a redirect is not followed', async () => {
    behave = (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    expect(await error()).toMatchObject({ code: -32006 })
  })

  test.each<[string, (response: ServerResponse) => void, number]>([
    ['a stream that is cut', (response) => void response.destroy(), -32085],
    ['a stream that falls silent', () => undefined, -32086],
    [
      'a stream with what is no event',
      (response) => void response.end('data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'),
      -32006,
    ],
    ['a stream that breaks off inside an event', (response) => void response.end('data: {"jsonrpc"'), -32006],
  ])('%s', async (_, then, code) => {
    behave = (__, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const event = { jsonrpc: '2.0', id: 1, result: task('TASK_STATE_WORKING') }
      response.write(`data: ${JSON.stringify(event)}\n\n`, () => setTimeout(() => then(response), 100))
    }
    const text = await (await send('rpc', rpcBody('SendStreamingMessage'))).text()
    const events = text
      .split('\n\n')
      .filter((each) => each.startsWith('data: '))
      .map((each) => JSON.parse(each.slice(6)) as object)
    expect(events[0]).toMatchObject({ id: 9, result: { task: { status: { state: 'TASK_STATE_WORKING' } } } })
    expect(events.slice(1)).toMatchObject([{ id: 9, error: { code } }])
  })

  test('a stream that is cut says so by HTTP+JSON as well', async () => {
    behave = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`data: ${JSON.stringify(task('TASK_STATE_WORKING'))}\n\n`, () =>
        setTimeout(() => response.destroy(), 100),
      )
    }
    const text = await (await send('rest/message:stream', JSON.stringify(params))).text()
    expect(text).toMatch(/event: error\ndata: .*UNAVAILABLE/)
  })

  test('a card that leads back here, or elsewhere inside, is of no use', async () => {
    expect(await error('evil')).toMatchObject({ code: -32085, message: expect.stringContaining('no interface') })
    // Nor do its places show.
    const card = await (await send('evil/.well-known/agent-card.json', undefined)).text()
    expect(card).not.toContain('169.254')
  })
})

test('the operator hears of what broke, and nothing of what was said', () => {
  const said = gateway.reports.map(({ error }) => String(error)).join('\n')
  expect(said).not.toContain('"hi"')
  expect(said).not.toMatch(/TypeError|ReferenceError/)
})
