import { randomUUID } from 'node:crypto'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { memoryEvents } from './old-server.ts'
import { type Running, serve } from './serve.ts'
import { stepsServer } from './steps.ts'

/** A running server of the old era that resumes its streams. */
export interface StepsServer extends Running {
  /** How often it has ended a stream before its answer. */
  polls(): number
  /** How many calls were cancelled. */
  cancelled(): number
}

/** Starts a server with steps: SDK 1.x, streamable HTTP, sessions, streams that can be resumed. */
export async function startStepsServer(): Promise<StepsServer> {
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>()
  let polls = 0
  let cancelled = 0
  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: memoryEvents(),
      retryInterval: 100,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    })
    const server = stepsServer({
      close: (id) => transport.closeSSEStream(id),
      polled: () => void polls++,
      cancelled: () => void cancelled++,
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
      await Promise.all([...transports.values()].map((transport) => transport.close()))
    },
  )
  return { ...running, polls: () => polls, cancelled: () => cancelled }
}
