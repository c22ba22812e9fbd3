import { randomUUID } from 'node:crypto'
import { type Running, serve } from './serve.ts'

type JsonObject = Record<string, unknown>

const extension = 'io.modelcontextprotocol/tasks'

interface Task {
  status: string
  text: string
  key: string
  answered: JsonObject | undefined
  result: JsonObject | undefined
  error: JsonObject | undefined
}

/**
 * Starts a server of the revision 2026-07-28 with the tasks extension, which neither SDK has: `slow` gives its result after
 * two looks, `ask` asks who is there, `break` fails with an error, `late` never ends, `plain` is no task.
 */
export async function startNewTasks(): Promise<Running & { readonly names: readonly string[] }> {
  const tasks = new Map<string, Task>()
  const names: string[] = []
  const tool = (name: string) => ({
    name,
    description: name,
    inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
  })
  const shown = (taskId: string, task: Task): JsonObject => ({
    taskId,
    status: task.status,
    createdAt: '2026-07-28T00:00:00Z',
    lastUpdatedAt: '2026-07-28T00:00:00Z',
    ttlMs: 60_000,
    pollIntervalMs: 100,
    ...(task.status === 'completed' && { result: task.result }),
    ...(task.status === 'failed' && { error: task.error }),
    ...(task.status === 'input_required' && {
      inputRequests: {
        [task.key]: {
          method: 'elicitation/create',
          params: {
            mode: 'form',
            message: task.text,
            requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
          },
        },
      },
    }),
  })
  const called = (params: JsonObject, knows: boolean): JsonObject | { failure: JsonObject } => {
    const { name } = params
    const text = String((params.arguments as JsonObject | undefined)?.text)
    if (name === 'plain') return { content: [{ type: 'text', text: 'plainly' }] }
    if (!knows)
      return {
        failure: {
          code: -32021,
          message: 'Missing required client capability',
          data: { requiredCapabilities: { extensions: { [extension]: {} } } },
        },
      }
    const taskId = randomUUID()
    const task: Task = {
      status: 'working',
      text,
      key: randomUUID(),
      answered: undefined,
      result: { content: [{ type: 'text', text: `slowly: ${text}` }] },
      error: undefined,
    }
    tasks.set(taskId, task)
    if (name === 'slow') setTimeout(() => (task.status = task.status === 'working' ? 'completed' : task.status), 150)
    if (name === 'ask') task.status = 'input_required'
    if (name === 'break') {
      task.status = 'failed'
      task.error = { code: -32050, message: 'it broke' }
    }
    const { result: _, error: __, inputRequests: ___, ...seed } = shown(taskId, task)
    return { resultType: 'task', ...seed }
  }
  const answer = (method: string, params: JsonObject): JsonObject | { failure: JsonObject } => {
    const meta = params._meta as { 'io.modelcontextprotocol/clientCapabilities'?: { extensions?: JsonObject } }
    const knows = meta['io.modelcontextprotocol/clientCapabilities']?.extensions?.[extension] !== undefined
    const task = tasks.get(String(params.taskId))
    switch (method) {
      case 'server/discover':
        return {
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {}, extensions: { [extension]: {} } },
          ttlMs: 0,
          cacheScope: 'private',
        }
      case 'tools/list':
        return { tools: ['slow', 'ask', 'break', 'late', 'plain'].map(tool), ttlMs: 0, cacheScope: 'public' }
      case 'tools/call':
        return called(params, knows)
      case 'tasks/get':
      case 'tasks/update':
      case 'tasks/cancel':
        if (!task) return { failure: { code: -32602, message: 'Task not found' } }
        if (method === 'tasks/get') return shown(String(params.taskId), task)
        if (method === 'tasks/cancel') {
          if (task.status === 'working') task.status = 'cancelled'
          return {}
        }
        task.answered = (params.inputResponses as JsonObject)[task.key] as JsonObject | undefined
        if (task.answered) {
          const name = (task.answered.content as JsonObject | undefined)?.name
          task.result = { content: [{ type: 'text', text: `Hello, ${name}!` }] }
          task.status = 'completed'
        }
        return {}
      default:
        return { failure: { code: -32601, message: 'Method not found' } }
    }
  }
  /** Tells of the tasks as soon as they are over. */
  const listening = (id: number, notifications: JsonObject): Response => {
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id }
    const waiting = new Set(notifications.taskIds as string[])
    let timer: NodeJS.Timeout
    const body = new ReadableStream<string>({
      start(sink) {
        const say = (method: string, params: JsonObject) =>
          sink.enqueue(`data: ${JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta } })}\n\n`)
        say('notifications/subscriptions/acknowledged', { notifications })
        timer = setInterval(() => {
          for (const taskId of waiting) {
            const task = tasks.get(taskId)
            if (task?.status !== 'completed') continue
            waiting.delete(taskId)
            say('notifications/tasks', shown(taskId, task))
          }
        }, 20)
      },
      cancel: () => clearInterval(timer),
    })
    return new Response(body.pipeThrough(new TextEncoderStream()), {
      headers: { 'content-type': 'text/event-stream' },
    })
  }
  const running = await serve(async (request) => {
    const { id, method, params } = (await request.json()) as { id: number; method: string; params: JsonObject }
    if (method === 'subscriptions/listen') return listening(id, params.notifications as JsonObject)
    // The headers that say for which task a request is.
    if (method.startsWith('tasks/')) names.push(`${method} ${request.headers.get('mcp-name') === params.taskId}`)
    if (request.headers.get('mcp-protocol-version') !== '2026-07-28')
      return Response.json(
        {
          jsonrpc: '2.0',
          id,
          error: { code: -32022, message: 'Unsupported', data: { supported: ['2026-07-28'], requested: '' } },
        },
        { status: 400 },
      )
    const outcome = answer(method, params)
    return 'failure' in outcome
      ? Response.json({ jsonrpc: '2.0', id, error: outcome.failure })
      : Response.json({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...outcome } })
  })
  return { ...running, names }
}
