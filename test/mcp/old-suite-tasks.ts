import { randomUUID } from 'node:crypto'
import {
  InMemoryTaskMessageQueue,
  InMemoryTaskStore,
} from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { ElicitResultSchema, ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { type Running, serve } from './serve.ts'

/** A piece of work of a tool. @param elicit asks the user something that belongs to the task */
type Work = (
  args: { readonly seconds?: number | undefined; readonly filename?: string | undefined },
  elicit: (message: string) => Promise<string>,
) => Promise<string>

const text = (said: string) => [{ type: 'text' as const, text: said }]

/** The tools that the conformance suite's scenarios of tasks ask for, and what they do. */
const tools: Readonly<Record<string, { readonly support: 'required' | 'optional'; readonly work: Work }>> = {
  slow_compute: {
    support: 'optional',
    work: async ({ seconds = 0 }) => {
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
      return `computed for ${seconds} s`
    },
  },
  failing_job: {
    support: 'required',
    work: async () => {
      throw new Error('the job failed')
    },
  },
  protocol_error_job: {
    support: 'required',
    work: async () => {
      throw new McpError(ErrorCode.InternalError, 'the job broke')
    },
  },
  confirm_delete: {
    support: 'required',
    work: async ({ filename }, elicit) => `${filename}: ${await elicit(`Delete ${filename}?`)}`,
  },
  multi_input: {
    support: 'required',
    work: async (_, elicit) => (await Promise.all([elicit('One?'), elicit('Two?')])).join(' and '),
  },
}

/** Starts a server of the revision 2025-11-25 with the tools that the suite of 2026-07-28 wants as tasks. */
export async function startOldSuiteTasks(): Promise<Running> {
  const store = new InMemoryTaskStore()
  const queue = new InMemoryTaskMessageQueue()
  const errors = new Map<string, McpError>()
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    })
    const server = new McpServer(
      { name: 'old-suite-tasks', version: '1' },
      {
        capabilities: { tools: {}, tasks: { cancel: {}, requests: { tools: { call: {} } } } },
        taskStore: store,
        taskMessageQueue: queue,
      },
    )
    server.registerTool('greet', { inputSchema: { name: z.string() } }, ({ name }) => ({
      content: text(`Hello, ${name}!`),
    }))
    const inputSchema = {
      seconds: z.number().optional(),
      label: z.string().optional(),
      filename: z.string().optional(),
    }
    for (const [name, { support, work }] of Object.entries(tools))
      server.experimental.tasks.registerToolTask(
        name,
        { inputSchema, execution: { taskSupport: support } },
        {
          createTask: async (args, extra) => {
            const task = await extra.taskStore.createTask({ ttl: 60_000, pollInterval: 100 })
            const elicit = async (message: string) => {
              await extra.taskStore.updateTaskStatus(task.taskId, 'input_required')
              const { action } = await extra.sendRequest(
                {
                  method: 'elicitation/create',
                  params: { mode: 'form', message, requestedSchema: { type: 'object', properties: {} } },
                },
                ElicitResultSchema,
                { relatedTask: { taskId: task.taskId } } as never,
              )
              return action
            }
            void work(args, elicit)
              .then(
                (said) => extra.taskStore.storeTaskResult(task.taskId, 'completed', { content: text(said) }),
                (error: Error) => {
                  if (error instanceof McpError) errors.set(task.taskId, error)
                  const result = { content: text(error.message), isError: true }
                  return extra.taskStore.storeTaskResult(task.taskId, 'failed', result)
                },
              )
              .catch(() => undefined)
            return { task }
          },
          getTask: (_, extra) => extra.taskStore.getTask(extra.taskId),
          getTaskResult: async (_, extra) => (await extra.taskStore.getTaskResult(extra.taskId)) as never,
        },
      )
    await server.connect(transport)
    return transport
  }
  return serve(
    async (request) => {
      const id = request.headers.get('mcp-session-id')
      const transport = id === null ? await open() : transports.get(id)
      if (!transport)
        return Response.json(
          { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } },
          { status: 404 },
        )
      // The SDK keeps only results of tasks; this one has ended with an error.
      const asked = (await request
        .clone()
        .json()
        .catch(() => undefined)) as { id: number; method?: string; params?: { taskId?: string } } | undefined
      const error = asked?.method === 'tasks/result' ? errors.get(String(asked.params?.taskId)) : undefined
      if (!error) return transport.handleRequest(request)
      return Response.json({ jsonrpc: '2.0', id: asked!.id, error: { code: error.code, message: error.message } })
    },
    async () => {
      store.cleanup()
      await Promise.all([...transports.values()].map((transport) => transport.close()))
    },
  )
}
