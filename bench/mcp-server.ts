import { createServer } from 'node:http'

/**
 * `node --import tsx bench/mcp-server.ts PORT DELAY_MS`: a server of both eras that does nothing but answer, its lists after a
 * delay.
 */
const [port, delayMs] = process.argv.slice(2).map(Number)
const tools = [{ name: 'echo', description: 'Says it again.', inputSchema: { type: 'object', properties: {} } }]
const caching = { ttlMs: 60_000, cacheScope: 'public' }
let sessions = 0

const server = createServer((request, response) => {
  let body = ''
  request.on('data', (piece) => {
    body += piece
  })
  request.on('end', () => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': \n\n')
      return
    }
    const { id, method, params } = JSON.parse(body || '{}') as {
      id?: number
      method?: string
      params?: { _meta?: object }
    }
    if (id === undefined) {
      response.writeHead(202).end()
      return
    }
    const modern = request.headers['mcp-protocol-version'] === '2026-07-28'
    if (modern && method === 'subscriptions/listen') {
      const acknowledged = {
        jsonrpc: '2.0',
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: {}, _meta: { 'io.modelcontextprotocol/subscriptionId': id } },
      }
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .write(`data: ${JSON.stringify(acknowledged)}\n\n`)
      return
    }
    const result =
      method === 'initialize'
        ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'fast', version: '1' } }
        : method === 'server/discover'
          ? { supportedVersions: ['2026-07-28'], capabilities: { tools: { listChanged: true } }, ...caching }
          : method === 'tools/list'
            ? { tools, ...(modern && caching) }
            : { content: [{ type: 'text', text: 'hello' }], params }
    const text = JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { ...(modern && { resultType: 'complete' }), ...result },
    })
    const answer = () => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...(method === 'initialize' && { 'mcp-session-id': `session-${++sessions}` }),
      })
      response.end(text)
    }
    if (delayMs! > 0 && method === 'tools/list') setTimeout(answer, delayMs)
    else answer()
  })
})
server.keepAliveTimeout = 60_000
server.listen(port, '127.0.0.1')
