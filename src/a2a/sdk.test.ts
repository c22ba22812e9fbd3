import { type AgentCard, Role, type SendMessageRequest, type StreamResponse, TaskState } from '@a2a-js/sdk'
import { JsonRpcTransportFactory, RestTransportFactory, type Transport } from '@a2a-js/sdk/client'
import { LegacyJsonRpcTransport, LegacyRestTransport } from '@a2a-js/sdk/compat/v0_3/client'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../json.ts'
import { classify } from './call.ts'
import { A2aError, type A2aErrorKind } from './errors.ts'
import { FrameReader } from './grpc/frames.ts'
import { type A2aOperation, isStreaming, type Wire } from './operations.ts'
import { renderError, renderErrorEvent } from './render-error.ts'
import { received, understood } from './testing.ts'
import { readAnswer, readEvent, writeAnswer, writeEvent } from './translate/answer.ts'
import { readMessage, writeMessage, writeRequest } from './translate/wire.ts'

/**
 * The official SDK's own clients, of both versions and both bindings of JSON, before agents of every wire: what a gateway
 * does with these modules, without the network.
 */

const base = 'https://gateway.example/a2a/planner'

const task = {
  id: 't1',
  contextId: 'c1',
  status: { state: 'TASK_STATE_CANCELED', timestamp: '2026-01-02T03:04:05Z' },
  artifacts: [{ artifactId: 'a1', name: 'plan', parts: [{ text: 'go' }] }],
  history: [{ messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'hi' }] }],
}
const push = {
  taskId: 't1',
  id: 'p1',
  url: 'https://client.example/hook',
  token: 'k',
  authentication: { scheme: 'Bearer', credentials: 's' },
}
const results: Record<A2aOperation, JsonObject> = {
  sendMessage: { task },
  streamMessage: {},
  getTask: task,
  listTasks: { tasks: [task], totalSize: 1, pageSize: 50 },
  cancelTask: task,
  subscribeToTask: {},
  setPushConfig: push,
  getPushConfig: push,
  listPushConfigs: { configs: [push] },
  deletePushConfig: {},
  getExtendedCard: {
    name: 'Planner',
    description: 'Plans',
    version: '1',
    supportedInterfaces: [
      { url: base, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      { url: base, protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ],
    capabilities: { streaming: true },
    securitySchemes: { key: { apiKeySecurityScheme: { location: 'header', name: 'x-key' } } },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 'plan', name: 'Plan', description: 'Plans', tags: ['t'] }],
  },
}
const events: JsonObject[] = [
  { task: { ...task, status: { state: 'TASK_STATE_WORKING' } } },
  {
    artifactUpdate: {
      taskId: 't1',
      contextId: 'c1',
      artifact: { artifactId: 'a1', parts: [{ text: 'go' }] },
      lastChunk: true,
    },
  },
  { statusUpdate: { taskId: 't1', contextId: 'c1', status: { state: 'TASK_STATE_COMPLETED' } } },
]

/** What an agent of a wire answers, as the gateway reads it. */
function through(operation: A2aOperation, value: JsonObject, agent: Wire): JsonObject {
  if (agent.binding === 'grpc') {
    const [message] = new FrameReader(1e6).push(writeMessage(operation, value, agent))
    return readMessage(operation, message!, agent)
  }
  if (isStreaming(operation)) {
    const data = writeEvent(operation, value, agent, 1).slice('data: '.length)
    return readEvent(operation, agent, { type: 'message', data })
  }
  const { status, body } = writeAnswer(operation, value, agent, 1)
  return readAnswer(operation, agent, status, Buffer.from(body))
}

/** A gateway before one agent. @param fails what the agent answers instead */
function gateway(agent: Wire, fails?: A2aErrorKind) {
  const asked: { operation: A2aOperation; params: JsonObject; client: Wire }[] = []
  const fetchImpl = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const sent = new Request(input, init)
    const { pathname, search } = new URL(sent.url)
    const result = classify({
      agent: 'planner',
      method: sent.method,
      path: pathname.slice(new URL(base).pathname.length) + search,
      headers: new Map(sent.headers),
      body: new Uint8Array(await sent.arrayBuffer()),
    })
    const answer = (rendered: { status: number; headers: [string, string][]; body: string }) =>
      new Response(rendered.status === 204 ? null : rendered.body, rendered)
    if (result.type === 'refusal') return answer(renderError(result.error, result, result.id))
    const { operation, params, id } = result
    asked.push({ operation, params, client: { binding: result.binding, version: result.version } })
    try {
      const seen = understood(classify(received(writeRequest(result, agent))))
      expect(seen).toMatchObject({ operation, ...agent })
      if (fails !== undefined) {
        const { status, body } = renderError(new A2aError(fails, 'as the agent says'), agent, 1)
        readAnswer(operation, agent, status, Buffer.from(body))
      }
      if (!isStreaming(operation))
        return answer(writeAnswer(operation, through(operation, results[operation], agent), result, id))
      const stream = events.map((event) => writeEvent(operation, through(operation, event, agent), result, id))
      return new Response(stream.join(''), { headers: { 'content-type': 'text/event-stream' } })
    } catch (error) {
      if (!(error instanceof A2aError)) throw error
      return answer(renderError(error, result, id))
    }
  }
  return { fetchImpl: fetchImpl as typeof fetch, asked }
}

const card = { supportedInterfaces: [], capabilities: { extendedAgentCard: true } } as unknown as AgentCard
/** What the SDK's `Client` does around its transports of 1.0. */
const versioned =
  (fetchImpl: typeof fetch): typeof fetch =>
  (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('A2A-Version', '1.0')
    return fetchImpl(input, { ...init, headers })
  }
const clients: [string, boolean, (fetchImpl: typeof fetch) => Promise<Transport> | Transport][] = [
  [
    'JSON-RPC 1.0',
    false,
    (fetchImpl) => new JsonRpcTransportFactory({ fetchImpl: versioned(fetchImpl) }).create(base, card),
  ],
  [
    'HTTP+JSON 1.0',
    false,
    (fetchImpl) => new RestTransportFactory({ fetchImpl: versioned(fetchImpl) }).create(base, card),
  ],
  ['JSON-RPC 0.3', true, (fetchImpl) => new LegacyJsonRpcTransport({ endpoint: base, fetchImpl })],
  ['HTTP+JSON 0.3', true, (fetchImpl) => new LegacyRestTransport({ endpoint: base, fetchImpl })],
]
const agents: Wire[] = (['0.3', '1.0'] as const).flatMap((version) =>
  (['jsonrpc', 'http+json', 'grpc'] as const).map((binding) => ({ binding, version })),
)

const message: SendMessageRequest = {
  tenant: '',
  message: {
    messageId: 'm1',
    contextId: 'c1',
    taskId: 't1',
    role: Role.ROLE_USER,
    parts: [
      { content: { $case: 'text', value: 'hi' }, metadata: undefined, filename: '', mediaType: '' },
      { content: { $case: 'data', value: { a: [1, null] } }, metadata: undefined, filename: '', mediaType: '' },
      {
        content: { $case: 'url', value: 'https://x.example/f' },
        metadata: undefined,
        filename: '',
        mediaType: 'image/png',
      },
      {
        content: { $case: 'raw', value: Buffer.from('bytes') },
        metadata: undefined,
        filename: '',
        mediaType: 'image/png',
      },
    ],
    metadata: { skillId: 'plan' },
    extensions: [],
    referenceTaskIds: [],
  },
  configuration: {
    acceptedOutputModes: ['text/plain'],
    taskPushNotificationConfig: { tenant: '', id: '', taskId: '', url: push.url, token: '', authentication: undefined },
    historyLength: 3,
    returnImmediately: true,
  },
  metadata: undefined,
}

describe.each(clients)('a client of %s', (_, legacy, make) => {
  describe.each(agents)('before an agent of $binding $version', (agent) => {
    test('sends, asks, cancels', async () => {
      const { fetchImpl, asked } = gateway(agent)
      const client = await make(fetchImpl)
      const sent = await client.sendMessage(message)
      expect(sent).toMatchObject({ id: 't1', contextId: 'c1', status: { state: TaskState.TASK_STATE_CANCELED } })
      expect(asked[0]?.params).toMatchObject({
        message: {
          messageId: 'm1',
          taskId: 't1',
          role: 'ROLE_USER',
          parts: [
            { text: 'hi' },
            { data: { a: [1, null] } },
            { url: 'https://x.example/f', mediaType: 'image/png' },
            { raw: 'Ynl0ZXM=', mediaType: 'image/png' },
          ],
        },
        configuration: { returnImmediately: true, taskPushNotificationConfig: { url: push.url } },
      })
      expect(await client.getTask({ tenant: '', id: 't1', historyLength: 2 })).toMatchObject({
        id: 't1',
        artifacts: [{ artifactId: 'a1', name: 'plan' }],
      })
      expect(await client.cancelTask({ tenant: '', id: 't1', metadata: {} })).toMatchObject({
        status: { state: TaskState.TASK_STATE_CANCELED },
      })
      expect(asked.map(({ operation }) => operation)).toEqual(['sendMessage', 'getTask', 'cancelTask'])
    })

    test('streams', async () => {
      const { fetchImpl } = gateway(agent)
      const client = await make(fetchImpl)
      for (const stream of [client.sendMessageStream(message), client.resubscribeTask({ tenant: '', id: 't1' })]) {
        const got: StreamResponse[] = []
        for await (const event of stream) got.push(event)
        expect(got.map(({ payload }) => payload?.$case)).toEqual(['task', 'artifactUpdate', 'statusUpdate'])
        expect(got[2]?.payload?.value).toMatchObject({
          taskId: 't1',
          status: { state: TaskState.TASK_STATE_COMPLETED },
        })
      }
    })

    test('manages push configs', async () => {
      const { fetchImpl, asked } = gateway(agent)
      const client = await make(fetchImpl)
      const config = { tenant: '', ...push }
      const expected = { taskId: 't1', id: 'p1', url: push.url, authentication: { scheme: 'Bearer' } }
      expect(await client.createTaskPushNotificationConfig(config)).toMatchObject(expected)
      expect(await client.getTaskPushNotificationConfig({ tenant: '', taskId: 't1', id: 'p1' })).toMatchObject(expected)
      const listed = await client.listTaskPushNotificationConfig({
        tenant: '',
        taskId: 't1',
        pageSize: 0,
        pageToken: '',
      })
      expect(listed.configs).toMatchObject([expected])
      await client.deleteTaskPushNotificationConfig({ tenant: '', taskId: 't1', id: 'p1' })
      expect(asked.map(({ operation, params }) => [operation, params.taskId])).toEqual([
        ['setPushConfig', 't1'],
        ['getPushConfig', 't1'],
        ['listPushConfigs', 't1'],
        ['deletePushConfig', 't1'],
      ])
    })

    test('gets the extended card', async () => {
      const { fetchImpl } = gateway(agent)
      const client = await make(fetchImpl)
      expect(await client.getExtendedAgentCard({ tenant: '' })).toMatchObject({
        name: 'Planner',
        skills: [{ id: 'plan' }],
      })
    })

    test('lists tasks where both can', async () => {
      const { fetchImpl } = gateway(agent)
      const client = await make(fetchImpl)
      const list = async () =>
        client.listTasks({
          tenant: '',
          contextId: 'c1',
          status: TaskState.TASK_STATE_UNSPECIFIED,
          pageToken: '',
          statusTimestampAfter: undefined,
        })
      if (legacy) await expect(list()).rejects.toThrow()
      else if (agent.version === '0.3')
        await expect(list()).rejects.toMatchObject({ name: 'UnsupportedOperationError' })
      else expect(await list()).toMatchObject({ totalSize: 1, tasks: [{ id: 't1' }] })
    })
  })

  test.each<[A2aErrorKind, string]>([
    ['taskNotFound', 'TaskNotFoundError'],
    ['taskNotCancelable', 'TaskNotCancelableError'],
    ['pushNotSupported', 'PushNotificationNotSupportedError'],
    ['unsupportedOperation', 'UnsupportedOperationError'],
    ['contentTypeNotSupported', 'ContentTypeNotSupportedError'],
    ['extendedCardNotConfigured', 'ExtendedAgentCardNotConfiguredError'],
  ])('knows %s for what it is, whichever agent says so', async (kind, name) => {
    for (const agent of agents.filter(({ binding }) => binding !== 'grpc')) {
      const client = await make(gateway(agent, kind).fetchImpl)
      await expect(client.getTask({ tenant: '', id: 't1' })).rejects.toMatchObject({ name })
    }
  })

  test('knows an error that ends a stream', async () => {
    const cut = async (input: string | URL | Request, init?: RequestInit) => {
      const sent = new Request(input, init)
      const result = understood(
        classify({
          agent: 'a',
          method: sent.method,
          path: new URL(sent.url).pathname.slice(new URL(base).pathname.length),
          headers: new Map(sent.headers),
          body: new Uint8Array(await sent.arrayBuffer()),
        }),
      )
      const text =
        writeEvent('streamMessage', events[0]!, result, result.id) +
        renderErrorEvent(new A2aError('internal', 'cut off'), result, result.id)
      return new Response(text, { headers: { 'content-type': 'text/event-stream' } })
    }
    const client = await make(cut as typeof fetch)
    const stream = client.sendMessageStream(message)
    expect((await stream.next()).value).toMatchObject({ payload: { $case: 'task' } })
    await expect(stream.next()).rejects.toThrow(/cut off/)
  })
})
