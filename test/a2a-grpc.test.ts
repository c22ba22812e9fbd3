import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type StreamResponse, TaskState } from '@a2a-js/sdk'
import { type Client, ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver } from '@a2a-js/sdk/client'
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc'
import { LegacyJsonRpcTransport, LegacyRestTransport } from '@a2a-js/sdk/compat/v0_3/client'
import { LegacyGrpcTransport } from '@a2a-js/sdk/compat/v0_3/client/grpc'
import { credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { grpcCall } from './a2a/grpc-call.ts'
import { message } from './a2a/message.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

/** gRPC on either side, with clients and agents of the official SDK, a real Envoy between them, twice. */

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))

let gateway: TestGateway
let agents: Record<'modern' | 'legacy' | 'json' | 'secured', TestAgent>
let port: number
let secure: string

beforeAll(async () => {
  const tls = { key: readFileSync(file('provider-key.pem')), cert: readFileSync(file('provider.pem')) }
  const [modern, legacy, json, secured] = await Promise.all([
    startAgent([['GRPC', '1.0']]),
    startAgent([['GRPC', '0.3']]),
    startAgent([
      ['JSONRPC', '1.0'],
      ['HTTP+JSON', '0.3'],
    ]),
    startAgent([['GRPC', '1.0']], undefined, tls),
  ])
  agents = { modern, legacy, json, secured }
  port = await freePort()
  const securePort = await freePort()
  secure = `127.0.0.1:${securePort}`
  gateway = await startGateway({
    listeners: {
      default: { port },
      secure: {
        port: securePort,
        tls: { certificateFile: file('listener-1.pem'), keyFile: file('listener-1-key.pem') },
      },
    },
    a2a: {
      agents: {
        modern: { url: modern.url, hosts: [modern.grpc] },
        legacy: { url: legacy.url, hosts: [legacy.grpc] },
        json: { url: json.url },
        // The gateway has two names on this machine; this agent has one of them for itself.
        own: { url: json.url, offer: { grpcHost: `localhost:${port}` } },
        said: {
          url: modern.url,
          interfaces: [{ url: `http://${modern.grpc}`, binding: 'grpc', version: '1.0', tenant: 'acme' }],
        },
        secured: {
          url: secured.url,
          tls: { caFile: file('ca.pem'), serverName: 'provider.test' },
          interfaces: [{ url: `https://${secured.grpc}`, binding: 'grpc', version: '1.0' }],
        },
        shy: { url: json.url, offer: { bindings: ['jsonrpc'] } },
      },
    },
  })
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  await Promise.all(Object.values(agents ?? {}).map((agent) => agent.close()))
})

const cardOf = (agent: string, base = gateway.url) => `${base}/a2a/${agent}/.well-known/agent-card.json`

/** A client that knows the agent's card and nothing else. */
const grpcClient = (agent: string): Promise<Client> =>
  new ClientFactory(
    ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      cardResolver: new DefaultAgentCardResolver(),
      transports: [new GrpcTransportFactory({ legacyCompat: { enabled: true } })],
      preferredTransports: ['GRPC'],
    }),
  ).createFromUrl(cardOf(agent), '')

async function all(stream: AsyncIterable<StreamResponse>): Promise<StreamResponse[]> {
  const got: StreamResponse[] = []
  for await (const event of stream) got.push(event)
  return got
}

const whole = { status: { state: TaskState.TASK_STATE_COMPLETED }, artifacts: [{ artifactId: 'a1', name: 'plan' }] }
const kinds = ['task', 'statusUpdate', 'artifactUpdate', 'artifactUpdate', 'statusUpdate']

describe.each(['modern', 'legacy', 'json', 'own', 'said', 'secured'])(
  'a client of gRPC and the agent %s, found by its card',
  (name) => {
    test('a message, its task, and words alone', async () => {
      const client = await grpcClient(name)
      const task = await client.sendMessage(message('plan it'))
      expect(task).toMatchObject(whole)
      const { id } = task as { id: string }
      expect(await client.getTask({ tenant: '', id })).toMatchObject({ id, ...whole })
      expect(await client.sendMessage(message('only words'))).toMatchObject({
        parts: [{ content: { value: 'you said only words' } }],
      })
    })

    test('a stream', async () => {
      const client = await grpcClient(name)
      const got = await all(client.sendMessageStream(message('plan it')))
      expect(got.map(({ payload }) => payload?.$case)).toEqual(kinds)
      expect(got.at(-1)?.payload?.value).toMatchObject({ status: { state: TaskState.TASK_STATE_COMPLETED } })
    })

    test('an error, by its name', async () => {
      const client = await grpcClient(name)
      await expect(client.getTask({ tenant: '', id: 'never-was' })).rejects.toMatchObject({
        name: 'TaskNotFoundError',
        message: 'There is no such task',
        transport: 'grpc',
      })
    })
  },
)

describe.each(['modern', 'legacy'])('the agent %s of gRPC', (name) => {
  test('is asked by JSON-RPC and HTTP+JSON of 1.0', async () => {
    for (const preferred of ['JSONRPC', 'HTTP+JSON']) {
      const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
        preferredTransports: [preferred],
      })
      const client = await new ClientFactory(options).createFromUrl(cardOf(name), '')
      expect(await client.sendMessage(message('plan it'))).toMatchObject(whole)
      const got = await all(client.sendMessageStream(message('plan it')))
      expect(got.map(({ payload }) => payload?.$case)).toEqual(kinds)
    }
  })

  test.each([
    ['JSON-RPC', (url: string) => new LegacyJsonRpcTransport({ endpoint: url, fetchImpl: fetch })],
    ['HTTP+JSON', (url: string) => new LegacyRestTransport({ endpoint: url, fetchImpl: fetch })],
  ])('is asked by %s of 0.3', async (_, make) => {
    const client = make(`${gateway.url}/a2a/${name}`)
    expect(await client.sendMessage(message('plan it'))).toMatchObject({ status: whole.status })
    expect((await all(client.sendMessageStream(message('plan it')))).at(-1)?.payload).toMatchObject({
      $case: 'statusUpdate',
    })
  })
})

describe('a client of gRPC of 0.3', () => {
  test('names the agent in metadata', async () => {
    const client = new LegacyGrpcTransport({ endpoint: `127.0.0.1:${port}` })
    for (const agent of ['modern', 'legacy', 'json']) {
      const named = { serviceParameters: { 'chaperone-agent': agent } }
      expect(await client.sendMessage(message('plan it'), named)).toMatchObject({ status: whole.status })
      const got = await all(client.sendMessageStream(message('plan it'), named))
      expect(got.at(-1)?.payload?.value).toMatchObject({ status: { state: TaskState.TASK_STATE_COMPLETED } })
    }
    await expect(client.sendMessage(message('plan it'))).rejects.toThrow(/name it as tenant.*chaperone-agent/)
  })

  test('needs no metadata at the agent’s own host', async () => {
    const client = new LegacyGrpcTransport({ endpoint: `localhost:${port}` })
    expect(await client.sendMessage(message('plan it'))).toMatchObject({ status: whole.status })
    expect(agents.json.heard.at(-1)).toBe('plan it')
  })
})

test('events pass while the task is still at work, and a second client may listen', async () => {
  const client = await grpcClient('modern')
  const stream = client.sendMessageStream(message('hang on'))
  const first = await stream.next()
  const { id } = (first.value as { payload: { value: { id: string } } }).payload.value
  const other = (await grpcClient('modern')).resubscribeTask({ tenant: '', id })
  expect((await other.next()).done).toBe(false)
  expect(gateway.a2aStreams.some(({ binding, to }) => binding === 'grpc' && to === 'TASK_STATE_WORKING')).toBe(true)
  await client.cancelTask({ tenant: '', id, metadata: {} })
  const got = await all(stream)
  expect(got.at(-1)?.payload?.value).toMatchObject({ status: { state: TaskState.TASK_STATE_CANCELED } })
  await eventually(() =>
    expect(gateway.a2aRecords).toContainEqual(
      expect.objectContaining({
        agent: 'modern',
        operation: 'streamMessage',
        binding: 'grpc',
        via: { binding: 'grpc', version: '1.0' },
        state: 'TASK_STATE_CANCELED',
        events: got.length + 1,
      }),
    ),
  )
})

describe('cards', () => {
  test('lead to gRPC where the card alone is enough', async () => {
    const interfaces = async (agent: string) => {
      const card = (await (await fetch(cardOf(agent))).json()) as { supportedInterfaces: Record<string, string>[] }
      return card.supportedInterfaces.filter(({ protocolBinding }) => protocolBinding === 'GRPC')
    }
    const one = { protocolBinding: 'GRPC', url: `127.0.0.1:${port}`, protocolVersion: '1.0', tenant: 'modern' }
    expect(await interfaces('modern')).toEqual([one])
    // 0.3 has no tenants; a host says which agent is meant in either version.
    const { tenant: _, ...own } = { ...one, url: `localhost:${port}` }
    expect(await interfaces('own')).toEqual([own, { ...own, protocolVersion: '0.3' }])
    expect(await interfaces('shy')).toEqual([])
  })

  test('the extended one, by gRPC', async () => {
    const client = await grpcClient('modern')
    const card = await client.getAgentCard()
    expect(card.skills.map(({ id }) => id)).toEqual(['plan', 'book'])
    expect(card.supportedInterfaces.map(({ url }) => url)).toContain(`127.0.0.1:${port}`)
    expect(JSON.stringify(card)).not.toContain(agents.modern.grpc)
    const { messages } = await grpcCall(`http://localhost:${port}`, { operation: 'getExtendedCard', version: '0.3' })
    expect(messages).toMatchObject([{ protocolVersion: '0.3.0', additionalInterfaces: expect.any(Array) }])
  })
})

test('with TLS between client and gateway', async () => {
  const resolver = new DefaultAgentCardResolver()
  const card = await resolver.resolve(cardOf('modern'), '')
  const channel = credentials.createSsl(readFileSync(file('ca.pem')))
  const transport = await new GrpcTransportFactory({ grpcChannelCredentials: channel }).create(secure, card)
  expect(await transport.sendMessage({ ...message('plan it'), tenant: 'modern' })).toMatchObject(whole)
})

/** How long an agent's last call may take, ms; NaN: for ever. */
const waitsOf = ({ seen }: TestAgent) => Number.parseFloat(String(seen.at(-1)?.['grpc-timeout']))

describe('deadlines', () => {
  const json = { tenant: 'modern', message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hang' }] } }

  test('go on to the agent, and end what takes longer', async () => {
    for (const operation of ['sendMessage', 'streamMessage'] as const) {
      const answer = await grpcCall(gateway.url, { operation, json }, { 'grpc-timeout': '400m' })
      expect(answer).toMatchObject({ status: 4, message: expect.stringContaining('in time') })
      expect(waitsOf(agents.modern)).toBeLessThanOrEqual(400)
    }
  })

  test('of an agent’s rule are told to it', async () => {
    const client = await grpcClient('modern')
    await client.sendMessage(message('plan it'))
    expect(agents.modern.seen.at(-1)).not.toHaveProperty('chaperone-agent')
    expect(waitsOf(agents.modern)).toBeGreaterThan(290_000)
    for await (const _ of client.sendMessageStream(message('plan it')));
    expect(waitsOf(agents.modern)).toBeNaN()
  })

  test('that are none are refused', async () => {
    const answer = await grpcCall(gateway.url, { operation: 'sendMessage', json }, { 'grpc-timeout': 'soon' })
    expect(answer).toMatchObject({ status: 3, message: expect.stringContaining('grpc-timeout') })
  })
})

test('trace context and extensions go on to the agent', async () => {
  const json = { tenant: 'modern', message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'only words' }] } }
  const trace = 'c'.repeat(32)
  const headers = { traceparent: `00-${trace}-${'d'.repeat(16)}-01`, 'a2a-extensions': 'https://example.com/ext/v1' }
  await grpcCall(gateway.url, { operation: 'sendMessage', json }, headers)
  expect(agents.modern.seen.at(-1)).toMatchObject({
    traceparent: expect.stringContaining(trace),
    'a2a-extensions': 'https://example.com/ext/v1',
    'a2a-version': '1.0',
  })
})

test('tenants are what the card says', async () => {
  const json = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'only words' }] } }
  const ask = (tenant: string, headers = {}) =>
    grpcCall(gateway.url, { operation: 'sendMessage', json: { ...json, tenant } }, headers)
  expect(await ask('nobody')).toMatchObject({ status: 12, message: expect.stringContaining('no such agent') })
  // One that the agent has, and one that it does not have.
  expect(await ask('acme', { 'chaperone-agent': 'said' })).toMatchObject({ status: 0 })
  expect(await ask('umbrella', { 'chaperone-agent': 'said' })).toMatchObject({
    status: 3,
    message: expect.stringContaining('tenant'),
  })
})
