import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Traces } from '../src/telemetry/trace.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'
import { connectOld } from './mcp/clients.ts'
import { type Running, serve } from './mcp/serve.ts'

interface Span {
  service: string
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
}

let provider: Awaited<ReturnType<typeof upstream>>
let tools: Running
let collector: Server
let gateway: TestGateway
let traces: Traces
const envoyBodies: Buffer[] = []
const spans: Span[] = []
const seen: (string | undefined)[] = []

beforeAll(async () => {
  provider = await upstream((request, response) => {
    seen.push(request.headers.traceparent as string | undefined)
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}',
    )
  })
  // Each request is a session of its own; the tool tells what it was told.
  tools = await serve(async (request) => {
    const server = new McpServer({ name: 'tools', version: '1' })
    server.registerTool('told', {}, (extra) => ({ content: [{ type: 'text', text: JSON.stringify(extra._meta) }] }))
    const transport = new WebStandardStreamableHTTPServerTransport({})
    await server.connect(transport)
    return transport.handleRequest(request)
  })
  collector = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const body = Buffer.concat(pieces)
      // Envoy sends protobuf, the service's exporter JSON.
      if (request.headers['content-type']?.includes('json')) {
        const message = JSON.parse(body.toString()) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }
        spans.push(...message.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)))
      } else envoyBodies.push(body)
      response.setHeader('content-type', request.headers['content-type'] ?? '')
      response.end(request.headers['content-type']?.includes('json') ? '{}' : '')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const otlpEndpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  gateway = await startGateway({
    providers: { mock: { type: 'openai-compatible', baseUrl: `${provider.url}/v1` } },
    models: { m: { targets: [{ provider: 'mock' }] } },
    mcp: { servers: { tools: { type: 'http', url: tools.url } } },
    telemetry: { otlpEndpoint },
  })
  traces = new Traces(otlpEndpoint, 1, () => undefined)
})

afterAll(async () => {
  await gateway?.stop()
  await provider?.close()
  await tools?.stop()
  collector?.closeAllConnections()
  collector?.close()
})

const ask = (headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"model":"m","messages":[{"role":"user","content":"hi"}]}',
  })

test('the client’s trace goes through Envoy and the service to the provider', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const response = await ask({ traceparent: `00-${traceId}-00f067aa0ba902b7-01` })
  expect(response.status).toBe(200)
  const record = await gateway.recordOf(response.headers.get('x-request-id')!)
  // Envoy's own span, not the client's, is the parent of ours.
  expect(record.traceparent).toMatch(new RegExp(`^00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`))
  expect(seen.at(-1)).toContain(traceId)
  traces.record(record)
  await traces.stop()
  expect(spans).toHaveLength(1)
  expect(spans[0]).toMatchObject({ traceId, parentSpanId: record.traceparent!.split('-')[2], name: 'chat m' })
  // Envoy exports its span of the same trace, in bytes.
  await eventually(() => expect(envoyBodies.some((body) => body.includes(Buffer.from(traceId, 'hex')))).toBe(true))
})

test('without a context of the client’s Envoy begins the trace', async () => {
  const response = await ask()
  const record = await gateway.recordOf(response.headers.get('x-request-id')!)
  expect(record.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
})

test('a trace that an MCP client tells in _meta goes on in our spans and to the server', async () => {
  const traceId = 'a3ce929d0e0e47364bf92f3577b34da6'
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`
  const { client, close } = await connectOld(`${gateway.url}/mcp`)
  const answer = await client.callTool({ name: 'tools_told', _meta: { traceparent, tracestate: 'acme=1' } })
  await close()
  const [{ text }] = answer.content as [{ text: string }]
  expect(JSON.parse(text)).toMatchObject({ traceparent: expect.stringContaining(traceId), tracestate: 'acme=1' })
  const record = gateway.mcpRecords.find(({ method }) => method === 'tools/call')!
  const exporter = new Traces(gateway.rules.telemetry.otlpEndpoint ?? '', 1, () => undefined)
  exporter.mcp(record)
  await exporter.stop()
  expect(spans.at(-1)).toMatchObject({ traceId, parentSpanId: '00f067aa0ba902b7', name: 'tools/call told' })
})
