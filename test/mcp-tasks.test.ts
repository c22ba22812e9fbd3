import { randomBytes } from 'node:crypto'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  type CreateMessageResult,
  CreateTaskResultSchema,
  ElicitRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RulesInput } from '../src/config/schema.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { startNewTasks } from './mcp/new-tasks.ts'
import { startOldTasks } from './mcp/old-tasks.ts'

/** Tasks through the whole gateway, in all four pairings of the eras, with three servers behind one endpoint. */

let gateway: TestGateway
/** Another replica, with the same rules and keys. */
let second: TestGateway
let keyed: number
let old: Awaited<ReturnType<typeof startOldTasks>>
let fresh: Awaited<ReturnType<typeof startNewTasks>>
const keys: Record<string, string> = {}

beforeAll(async () => {
  ;[old, fresh] = await Promise.all([startOldTasks(), startNewTasks()])
  keyed = await freePort()
  process.env.MCP_TASKS_SEAL = randomBytes(32).toString('base64')
  const rules = (listeners: RulesInput['listeners']): RulesInput => ({
    listeners,
    mcp: {
      servers: {
        old: { type: 'http', url: old.url },
        fresh: { type: 'http', url: fresh.url },
        every: {
          type: 'stdio',
          command: process.execPath,
          args: ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio'],
        },
      },
      endpoints: { default: { servers: ['old', 'fresh', 'every'] }, other: { servers: ['old'] } },
      sessions: { keys: [{ id: 'k1', secret: '${env:MCP_TASKS_SEAL}' }] },
    },
    policies: {
      rules: {
        'no-secret-work': { effect: 'deny', when: 'tool.name == "slow" && tool.arguments.text == "secret"' },
        'no-asking-for-bob': { effect: 'deny', when: 'identity.user == "bob" && tool.name == "ask"' },
      },
    },
  })
  gateway = await startGateway(
    rules({ default: { port: await freePort() }, keyed: { port: keyed, identity: { accept: ['key'] } } }),
  )
  second = await startGateway(rules({ default: { port: await freePort() } }))
  for (const user of ['ann', 'bob']) keys[user] = (await gateway.keys.create({ user, name: user })).text
})

afterAll(async () => {
  await Promise.all([gateway?.stop(), second?.stop()])
  await Promise.all([old?.stop(), fresh?.stop()])
})

/** A client of the old era. */
async function connect(user?: string, endpoint = ''): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    {
      capabilities: {
        elicitation: { form: {} },
        sampling: {},
        tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} } } },
      },
      taskStore: new InMemoryTaskStore(),
    },
  )
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ann' } }))
  client.setRequestHandler(CreateMessageRequestSchema, async ({ params }, extra) => {
    const result: CreateMessageResult = { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } }
    if (!params.task) return result
    const task = await extra.taskStore!.createTask({ ttl: 60_000, pollInterval: 100 })
    await extra.taskStore!.storeTaskResult(task.taskId, 'completed', result)
    return { task } as never
  })
  const url = user === undefined ? `${gateway.url}/mcp${endpoint}` : `http://127.0.0.1:${keyed}/mcp${endpoint}`
  const headers: Record<string, string> = user === undefined ? {} : { authorization: `Bearer ${keys[user]}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  return client
}

interface Options {
  readonly user?: string
  /** Whether the client says that it knows tasks. */
  readonly knows?: boolean
  /** Where the gateway is. */
  readonly base?: string
}

/** What the tests look at of an answer. */
interface Answer {
  readonly status: number
  readonly result: Task & { readonly resultType?: string; readonly capabilities: { readonly extensions?: unknown } }
  readonly error: { readonly code: number; readonly message: string; readonly data?: unknown }
}

interface Task {
  readonly taskId: string
  readonly status: string
  readonly ttl?: number
  readonly inputRequests: Readonly<Record<string, { readonly params: Readonly<Record<string, unknown>> }>>
  readonly result?: { readonly _meta?: Readonly<Record<string, unknown>> }
}

let lastId = 0
/** Sends a request of a client of the new era. */
function send(
  method: string,
  params: Record<string, unknown>,
  { user, knows = true, base = gateway.url }: Options = {},
): Promise<Response> {
  const id = ++lastId
  const name = params.taskId ?? params.name
  return fetch(user === undefined ? `${base}/mcp` : `http://127.0.0.1:${keyed}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name !== undefined && { 'mcp-name': String(name) }),
      ...(user !== undefined && { authorization: `Bearer ${keys[user]}` }),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {
            elicitation: { form: {} },
            ...(knows && { extensions: { 'io.modelcontextprotocol/tasks': {} } }),
          },
        },
      },
    }),
  })
}

/** One request of a client of the new era, and its answer. */
async function modern(method: string, params: Record<string, unknown>, options?: Options): Promise<Answer> {
  const response = await send(method, params, options)
  const text = await response.text()
  const json = JSON.parse(text.startsWith('{') ? text : text.split('data: ').at(-1)!)
  return { status: response.status, ...json }
}

/** What a client of the new era hears. */
async function* listening(notifications: object) {
  const response = await send('subscriptions/listen', { notifications })
  let rest = ''
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += piece
    const events = rest.split('\n\n')
    rest = events.pop()!
    for (const event of events) if (event.startsWith('data: ')) yield JSON.parse(event.slice(6))
  }
}

/** Polls a task of the new era until it is over, or asks. */
async function settled(taskId: string, options: Options = {}): Promise<Task> {
  for (;;) {
    const { result, error } = await modern('tasks/get', { taskId }, options)
    if (error) throw new Error(JSON.stringify(error))
    if (result.status !== 'working') return result
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const text = (said: string) => [{ type: 'text', text: said }]

describe('a client of the old era', () => {
  test('gets the capability, and the tools that can be tasks', async () => {
    const client = await connect()
    expect(client.getServerCapabilities()?.tasks).toEqual({ list: {}, cancel: {}, requests: { tools: { call: {} } } })
    const { tools } = await client.listTools()
    const support = Object.fromEntries(tools.map((tool) => [tool.name, tool.execution?.taskSupport]))
    expect(support).toMatchObject({
      old_slow: 'required',
      old_fail: 'optional',
      'every_simulate-research-query': 'required',
    })
    expect(support.fresh_slow).toBeUndefined()
    await client.close()
  })

  test('begins a task of an old server, looks at it, lists it, and gets its result', async () => {
    const client = await connect()
    await client.listTools()
    const types: string[] = []
    let taskId = ''
    for await (const message of client.experimental.tasks.callToolStream({
      name: 'old_slow',
      arguments: { text: 'work' },
    })) {
      types.push(message.type)
      if (message.type === 'taskCreated') taskId = message.task.taskId
      if (message.type === 'result') expect(message.result.content).toEqual(text('slowly: work'))
    }
    expect(types[0]).toBe('taskCreated')
    expect(types.at(-1)).toBe('result')
    expect((await client.experimental.tasks.getTask(taskId)).taskId).toBe(taskId)
    const result = await client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema)
    expect(result._meta?.['io.modelcontextprotocol/related-task']).toEqual({ taskId })
    const { tasks } = await client.experimental.tasks.listTasks()
    expect(tasks.find((task) => task.taskId === taskId)?.status).toBe('completed')
    await client.close()
  })

  test('is asked by a task what it needs', async () => {
    const client = await connect()
    await client.listTools()
    const said: unknown[] = []
    for await (const message of client.experimental.tasks.callToolStream({ name: 'old_ask', arguments: { text: '?' } }))
      if (message.type === 'result') said.push(message.result.content)
    expect(said).toEqual([text('Hello, Ann!')])
    await client.close()
  })

  test('gets a task that failed as one that failed', async () => {
    const client = await connect()
    const created = await client.request(
      { method: 'tools/call', params: { name: 'old_fail', arguments: { text: '' }, task: {} } },
      CreateTaskResultSchema,
    )
    const result = await client.experimental.tasks.getTaskResult(created.task.taskId, CallToolResultSchema)
    expect(result).toMatchObject({ isError: true, content: text('it broke') })
    expect((await client.experimental.tasks.getTask(created.task.taskId)).status).toBe('failed')
    await client.close()
  })

  test('cancels a task, once', async () => {
    const client = await connect()
    await client.listTools()
    const stream = client.experimental.tasks.callToolStream({ name: 'old_slow', arguments: { text: 'for ever' } })
    const { value } = await stream.next()
    const taskId = value?.type === 'taskCreated' ? value.task.taskId : ''
    expect((await client.experimental.tasks.cancelTask(taskId)).status).toBe('cancelled')
    await expect(client.experimental.tasks.cancelTask(taskId)).rejects.toThrow(/terminal/)
    await client.close()
  })

  test('gets what a process offers as a task', async () => {
    const client = await connect()
    await client.listTools()
    const seen: string[] = []
    for await (const message of client.experimental.tasks.callToolStream({
      name: 'every_simulate-research-query',
      arguments: { topic: 'python', ambiguous: true },
    }))
      seen.push(message.type === 'result' ? JSON.stringify(message.result.content) : message.type)
    expect(seen[0]).toBe('taskCreated')
    expect(seen.at(-1)).toMatch(/Research Report/)
    await client.close()
  })

  test('does a task of its own for a server', async () => {
    const client = await connect()
    const { content } = await client.callTool({ name: 'old_delegate', arguments: {} })
    const [id, given, stolen] = JSON.parse((content as { text: string }[])[0]!.text) as [string, unknown, string]
    expect(given).toEqual({ type: 'text', text: 'sampled' })
    // The server does not see the client's own id, and cannot make one up.
    expect(id).toMatch(/^[^.]+\.[\w-]{60,}$/)
    expect(stolen).toBe('unknown')
    await client.close()
  })

  test('gets the result of what a new server makes a task of', async () => {
    const client = await connect()
    const call = (name: string) => client.callTool({ name, arguments: { text: 'work' } })
    expect((await call('fresh_slow')).content).toEqual(text('slowly: work'))
    expect((await call('fresh_ask')).content).toEqual(text('Hello, Ann!'))
    await expect(call('fresh_break')).rejects.toThrow(/it broke/)
    await client.close()
  })

  test('cannot make a task of what cannot be one', async () => {
    const client = await connect()
    for (const name of ['fresh_slow', 'old_plain'])
      await expect(
        client.request(
          { method: 'tools/call', params: { name, arguments: { text: 'work' }, task: {} } },
          CreateTaskResultSchema,
        ),
      ).rejects.toMatchObject({ code: -32601 })
    await client.close()
  })
})

describe('a client of the new era', () => {
  test('sees the extension', async () => {
    const { result } = await modern('server/discover', {})
    expect(result.capabilities.extensions).toEqual({ 'io.modelcontextprotocol/tasks': {} })
  })

  test('gets a task of a new server, and its result', async () => {
    const { result } = await modern('tools/call', { name: 'fresh_slow', arguments: { text: 'work' } })
    expect(result).toMatchObject({ resultType: 'task', status: 'working', ttlMs: 60_000, pollIntervalMs: 100 })
    expect(await settled(result.taskId)).toMatchObject({
      resultType: 'complete',
      taskId: result.taskId,
      status: 'completed',
      result: { content: text('slowly: work') },
    })
    expect(fresh.names).toContain('tasks/get true')
    expect(fresh.names.filter((name) => name.endsWith('false'))).toEqual([])
  })

  test.each(['fresh_ask', 'old_ask'])('answers what a task asks: %s', async (name) => {
    const { result } = await modern('tools/call', { name, arguments: { text: 'Who is there?' } })
    const asking = await settled(result.taskId)
    expect(asking.status).toBe('input_required')
    const [[key, request] = ['', { params: {} }]] = Object.entries(asking.inputRequests)
    expect(request).toMatchObject({ method: 'elicitation/create', params: { message: 'Who is there?' } })
    expect(request.params._meta).toBeUndefined()
    // It is asked until it is answered, by the same key.
    const again = await settled(result.taskId)
    expect(Object.keys(again.inputRequests)).toEqual([key])
    const inputResponses = { [key]: { action: 'accept', content: { name: 'Ann' } }, other: { action: 'decline' } }
    const ack = await modern('tasks/update', { taskId: result.taskId, inputResponses })
    expect(ack.result.resultType).toBe('complete')
    expect(await settled(result.taskId)).toMatchObject({
      status: 'completed',
      result: { content: text('Hello, Ann!') },
    })
  })

  test('gets a task of an old server, and its result', async () => {
    const { result } = await modern('tools/call', { name: 'old_slow', arguments: { text: 'work' } })
    expect(result).toMatchObject({ resultType: 'task', status: 'working', ttlMs: 60_000, pollIntervalMs: 100 })
    expect(result.ttl).toBeUndefined()
    const done = await settled(result.taskId)
    expect(done).toMatchObject({ status: 'completed', result: { content: text('slowly: work') } })
    expect(done.result?._meta?.['io.modelcontextprotocol/related-task']).toBeUndefined()
  })

  test('gets a failed tool as a result, and an error as an error', async () => {
    const failing = await modern('tools/call', { name: 'old_fail', arguments: { text: '' } })
    expect(await settled(failing.result.taskId)).toMatchObject({
      status: 'completed',
      result: { isError: true, content: text('it broke') },
    })
    const broken = await modern('tools/call', { name: 'fresh_break', arguments: {} })
    expect(await settled(broken.result.taskId)).toMatchObject({ status: 'failed', error: { code: -32050 } })
  })

  test.each(['fresh_late', 'old_slow'])('cancels a task: %s', async (name) => {
    const { result } = await modern('tools/call', { name, arguments: { text: 'for ever' } })
    expect((await modern('tasks/cancel', { taskId: result.taskId })).result.resultType).toBe('complete')
    expect((await settled(result.taskId)).status).toBe('cancelled')
    // What is over may be cancelled again.
    expect((await modern('tasks/cancel', { taskId: result.taskId })).error).toBeUndefined()
  })

  test('that knows no tasks gets the result of an old server, and the refusal of a new one', async () => {
    const before = old.begun()
    const { result } = await modern('tools/call', { name: 'old_slow', arguments: { text: 'work' } }, { knows: false })
    expect(result).toMatchObject({ resultType: 'complete', content: text('slowly: work') })
    expect(old.begun()).toBe(before + 1)
    const refused = await modern('tools/call', { name: 'fresh_slow', arguments: { text: 'work' } }, { knows: false })
    expect(refused.error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
    })
    const task = await modern('tools/call', { name: 'fresh_slow', arguments: { text: 'work' } })
    const asked = await modern('tasks/get', { taskId: task.result.taskId }, { knows: false })
    expect(asked).toMatchObject({ status: 400, error: { code: -32021 } })
  })

  test('hears of tasks that it listens to, of servers that tell of them', async () => {
    const [own, others] = await Promise.all(
      ['fresh_slow', 'old_slow'].map(async (name) => {
        const { result } = await modern('tools/call', { name, arguments: { text: 'work' } })
        return result.taskId
      }),
    )
    const told: { method: string; params: { notifications?: { taskIds?: string[] } } }[] = []
    const notifications = { taskIds: [own, others, 'made-up'] }
    for await (const message of listening(notifications)) if (told.push(message) === 2) break
    expect(told[0]).toMatchObject({
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { taskIds: [own] } },
    })
    expect(told[1]).toMatchObject({
      method: 'notifications/tasks',
      params: { taskId: own, status: 'completed', result: { content: text('slowly: work') } },
    })
    const refused = await modern('subscriptions/listen', { notifications }, { knows: false })
    expect(refused).toMatchObject({ status: 400, error: { code: -32021 } })
  })

  test('has no methods of the old era', async () => {
    const { result } = await modern('tools/call', { name: 'fresh_slow', arguments: { text: 'work' } })
    for (const method of ['tasks/list', 'tasks/result'])
      expect(await modern(method, { taskId: result.taskId })).toMatchObject({ status: 404, error: { code: -32601 } })
  })
})

describe('a task is its caller’s', () => {
  test('to everybody else it is unknown, and so is one that nobody sealed', async () => {
    const { result } = await modern('tools/call', { name: 'old_slow', arguments: { text: 'work' } }, { user: 'ann' })
    const { taskId } = result
    expect(await settled(taskId, { user: 'ann' })).toMatchObject({ status: 'completed' })
    const unknown = { code: -32602, message: expect.stringContaining('no such task') }
    expect((await modern('tasks/get', { taskId }, { user: 'bob' })).error).toMatchObject(unknown)
    expect((await modern('tasks/get', { taskId })).error).toMatchObject(unknown)
    const forged = `${taskId.slice(0, -4)}AAAA`
    for (const id of [forged, '', 'k.', 'made-up'])
      expect((await modern('tasks/get', { taskId: id }, { user: 'ann' })).error).toMatchObject(unknown)
    const bob = await connect('bob')
    await expect(bob.experimental.tasks.getTask(taskId)).rejects.toMatchObject({ code: -32602 })
    expect((await bob.experimental.tasks.listTasks()).tasks).toEqual([])
    await bob.close()
    // Nor is it a task of another endpoint.
    const ann = await connect('ann', '/other')
    await expect(ann.experimental.tasks.getTask(taskId)).rejects.toMatchObject({ code: -32602 })
    await ann.close()
  })

  test.each(['fresh_slow', 'old_slow'])('another replica knows it: %s', async (name) => {
    const { result } = await modern('tools/call', { name, arguments: { text: 'work' } })
    expect(await settled(result.taskId, { base: second.url })).toMatchObject({
      taskId: result.taskId,
      status: 'completed',
      result: { content: text('slowly: work') },
    })
  })

  test('another client of the same caller may ask for it, also of the other era', async () => {
    const { result } = await modern('tools/call', { name: 'fresh_slow', arguments: { text: 'work' } }, { user: 'ann' })
    const ann = await connect('ann')
    expect(await ann.experimental.tasks.getTask(result.taskId)).toMatchObject({ taskId: result.taskId, ttl: 60_000 })
    const done = await ann.experimental.tasks.getTaskResult(result.taskId, CallToolResultSchema)
    expect(done.content).toEqual(text('slowly: work'))
    await ann.close()
  })

  test('rules hold where it begins and where it is read, and each request is in the log', async () => {
    const denied = await modern('tools/call', { name: 'old_slow', arguments: { text: 'secret' } })
    expect(denied.error.code).toBe(-32003)
    const asking = await modern('tools/call', { name: 'fresh_ask', arguments: { text: '?' } }, { user: 'bob' })
    expect(asking.error.code).toBe(-32602)
    const { result } = await modern('tools/call', { name: 'fresh_slow', arguments: { text: 'work' } }, { user: 'ann' })
    await settled(result.taskId, { user: 'ann' })
    expect(gateway.mcpRecords.findLast(({ method }) => method === 'tasks/get')).toMatchObject({
      server: 'fresh',
      name: 'slow',
      caller: { user: 'ann' },
    })
  })
})
