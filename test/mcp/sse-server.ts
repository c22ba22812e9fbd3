import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { oldReference } from './old-reference.ts'
import { listen, type Running } from './serve.ts'

/**
 * Starts a server of the revision 2024-11-05 with its transport, HTTP+SSE, built with SDK 1.x: a GET of the URL opens the
 * stream, whose first event says where messages are posted to.
 */
export async function startSseServer(): Promise<Running> {
  const transports = new Map<string, SSEServerTransport>()
  const open = async (transport: SSEServerTransport) => {
    const server = oldReference()
    server.onclose = () => transports.delete(transport.sessionId)
    transports.set(transport.sessionId, transport)
    await server.connect(transport)
  }
  return listen(
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
      const fail = () => response.destroy()
      if (request.method === 'GET' && pathname === '/sse')
        return open(new SSEServerTransport('/messages', response)).catch(fail)
      const transport = transports.get(searchParams.get('sessionId') ?? '')
      if (request.method === 'POST' && pathname === '/messages' && transport)
        return transport.handlePostMessage(request, response).catch(fail)
      response.writeHead(request.method === 'POST' && pathname === '/sse' ? 405 : 404).end()
    },
    { path: '/sse' },
  )
}
