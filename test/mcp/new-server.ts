import { createMcpHandler } from '@modelcontextprotocol/server'
import { newReference } from './new-reference.ts'
import { type Running, serve } from './serve.ts'

/**
 * Starts a server that knows only the revision 2026-07-28: SDK 2.x, streamable HTTP without sessions.
 * An `initialize` gets what such a server says: an UnsupportedProtocolVersionError.
 */
export async function startNewServer(): Promise<Running> {
  const handler = createMcpHandler(() => newReference(handler.notify), { legacy: 'reject', keepAliveMs: 0 })
  return serve(handler.fetch, () => handler.close())
}
