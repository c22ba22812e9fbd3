import { randomUUID } from 'node:crypto'
import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { CreateMessageResultSchema, ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { type Running, serve } from './serve.ts'

/** How long a piece of work takes, ms. */
const workMs = 150

/**
 * Starts a server of the revision 2025-11-25 whose tools are tasks: SDK 1.x, streamable HTTP, sessions. A task belongs to the
 * session that began it.
 */
export async function startOldTasks(): Promise<Running & { readonly begun: () => number }> {
  const store = new InMemoryTaskStore()
  const queue = new InMemoryTaskMessageQueue()
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>()
  let begun = 0
  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    })
    const server = new McpServer(
      { name: 'old-tasks', version: '1' },
      {
        capabilities: { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
        taskStore: store,
        taskMessageQueue: queue,
      },
    )
    const task = (
      name: string,
      support: 'required' | 'optional',
      work: (
        taskId: string,
        text: string,
        extra: Parameters<Parameters<typeof server.experimental.tasks.registerToolTask>[2]['createTask']>[1],
      ) => Promise<string>,
    ) =>
      server.experimental.tasks.registerToolTask(
        name,
        { description: name, inputSchema: { text: z.string() }, execution: { taskSupport: support } },
        {
          createTask: async ({ text }: { text: string }, extra) => {
            const made = await extra.taskStore.createTask({ ttl: extra.taskRequestedTtl ?? 60_000, pollInterval: 100 })
            begun++
            void work(made.taskId, text, extra as never)
              .then(
                (said) =>
                  extra.taskStore.storeTaskResult(made.taskId, 'completed', {
                    content: [{ type: 'text', text: said }],
                  }),
                (error: Error) =>
                  extra.taskStore.storeTaskResult(made.taskId, 'failed', {
                    content: [{ type: 'text', text: error.message }],
                    isError: true,
                  }),
              )
              .catch(() => undefined)
            return { task: made }
          },
          getTask: async (_: unknown, extra) => await extra.taskStore.getTask(extra.taskId),
          getTaskResult: async (_: unknown, extra) => (await extra.taskStore.getTaskResult(extra.taskId)) as never,
        },
      )
    task('slow', 'required', async (_, text) => {
      await new Promise((resolve) => setTimeout(resolve, text === 'for ever' ? 3_600_000 : workMs))
      return `slowly: ${text}`
    })
    task('fail', 'optional', async () => {
      throw new Error('it broke')
    })
    task('ask', 'required', async (taskId, text, extra) => {
      await extra.taskStore.updateTaskStatus(taskId, 'input_required')
      const { content } = await extra.sendRequest(
        {
          method: 'elicitation/create',
          params: {
            mode: 'form',
            message: text,
            requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
          },
        },
        ElicitResultSchema,
        { relatedTask: { taskId } } as never,
      )
      await extra.taskStore.updateTaskStatus(taskId, 'working')
      return `Hello, ${content?.name}!`
    })
    server.registerTool('plain', { description: 'plain', inputSchema: {} }, () => ({
      content: [{ type: 'text', text: 'plainly' }],
    }))
    // Asks the client's model in a task of the client's.
    server.registerTool('delegate', { description: 'delegate', inputSchema: {} }, async (_, extra) => {
      const created = await server.server.request(
        {
          method: 'sampling/createMessage',
          params: { messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }], maxTokens: 5, task: {} },
        },
        z.object({ task: z.object({ taskId: z.string() }).loose() }).loose(),
        { relatedRequestId: extra.requestId },
      )
      const { taskId } = created.task
      const given = await server.server.request(
        { method: 'tasks/result', params: { taskId } },
        CreateMessageResultSchema,
        { relatedRequestId: extra.requestId },
      )
      const stolen = await server.server
        .request({ method: 'tasks/get', params: { taskId: `${taskId.slice(0, -2)}AA` } }, z.looseObject({}), {
          relatedRequestId: extra.requestId,
        })
        .then(
          () => 'found',
          () => 'unknown',
        )
      return { content: [{ type: 'text', text: JSON.stringify([taskId, given.content, stolen]) }] }
    })
    await server.connect(transport)
    return transport
  }
  const running = await serve(
    async (request) => {
      const id = request.headers.get('mcp-session-id')
      const transport = id === null ? await open() : transports.get(id)
      if (transport) return transport.handleRequest(request)
      return Response.json(
        { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } },
        { status: 404 },
      )
    },
    async () => {
      store.cleanup()
      await Promise.all([...transports.values()].map((transport) => transport.close()))
    },
  )
  return { ...running, begun: () => begun }
}
