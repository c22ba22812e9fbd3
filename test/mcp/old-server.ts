import { randomUUID } from 'node:crypto'
import {
  type EventStore,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { oldReference } from './old-reference.ts'
import { type Running, serve } from './serve.ts'

/** A running server of the old era. */
export interface OldServer extends Running {
  /** The ids of the sessions that are alive. */
  readonly sessions: ReadonlySet<string>
  /** Forgets every session, as a server does that is restarted: their ids get a 404. */
  forget(): Promise<void>
}

/**
 * Starts a server that knows only the sessionful revisions: SDK 1.x, streamable HTTP, sessions, streams that can be resumed.
 * A request of the revision 2026-07-28 gets what such a server says: 400.
 * @param lost what it says of a session that it does not know: as the specification has it, or as older examples of the SDK do
 */
export async function startOldServer(lost: 404 | 400 = 404): Promise<OldServer> {
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const sessions = new Set<string>()
  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: memoryEvents(),
      retryInterval: 100,
      onsessioninitialized: (id) => {
        transports.set(id, transport)
        sessions.add(id)
      },
      onsessionclosed: (id) => {
        transports.delete(id)
        sessions.delete(id)
      },
    })
    await oldReference((extra) => transport.closeSSEStream(extra.requestId)).connect(transport)
    return transport
  }
  const forget = async () => {
    const known = [...transports.values()]
    transports.clear()
    sessions.clear()
    await Promise.all(known.map((transport) => transport.close()))
  }
  const running = await serve(async (request) => {
    const id = request.headers.get('mcp-session-id')
    const transport = id === null ? await open() : transports.get(id)
    if (transport) return transport.handleRequest(request)
    const error =
      lost === 404
        ? { code: -32001, message: 'Session not found' }
        : { code: -32000, message: 'Bad Request: No valid session ID provided' }
    return Response.json({ jsonrpc: '2.0', id: null, error }, { status: lost })
  }, forget)
  return { ...running, sessions, forget }
}

/** Events kept in memory: ids count up within a session. */
export function memoryEvents(): EventStore {
  const events: { id: string; streamId: string; message: JSONRPCMessage }[] = []
  return {
    async storeEvent(streamId, message) {
      const id = String(events.length + 1)
      events.push({ id, streamId, message })
      return id
    },
    async getStreamIdForEventId(eventId) {
      return events[Number(eventId) - 1]?.streamId
    },
    async replayEventsAfter(lastEventId, { send }) {
      const streamId = events[Number(lastEventId) - 1]?.streamId ?? ''
      for (const event of events.slice(Number(lastEventId)))
        if (event.streamId === streamId && Object.keys(event.message).length > 0) await send(event.id, event.message)
      return streamId
    },
  }
}
