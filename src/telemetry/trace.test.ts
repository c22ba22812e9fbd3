import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { recordOf } from './testing.ts'
import { Traces } from './trace.ts'

interface OtlpSpan {
  name: string
  traceId: string
  parentSpanId?: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  status: { code?: number }
  attributes: { key: string; value: Record<string, unknown> }[]
  events: { name: string; attributes: { key: string; value: Record<string, unknown> }[] }[]
}

let collector: Server
let traces: Traces
let spans: OtlpSpan[]
let errors: Error[]

beforeEach(async () => {
  spans = []
  errors = []
  collector = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const message = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] }
      spans.push(...message.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)))
      response.setHeader('content-type', 'application/json')
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  traces = new Traces(`http://127.0.0.1:${(collector.address() as AddressInfo).port}`, 1, (error) => errors.push(error))
})
afterEach(async () => {
  expect(errors).toEqual([])
  await new Promise((resolve) => {
    collector.close(resolve)
    collector.closeAllConnections()
  })
})

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

test('a request is a span below Envoy’s, named by the GenAI conventions', async () => {
  traces.record(recordOf({ traceparent }))
  await traces.stop()
  expect(spans).toHaveLength(1)
  const [span] = spans
  expect(span).toMatchObject({
    name: 'chat gpt-4o-mini',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
  })
  expect(BigInt(span!.endTimeUnixNano) - BigInt(span!.startTimeUnixNano)).toBe(1_000_000_000n)
  const attributes = Object.fromEntries(span!.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
  expect(attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'fast',
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.output_tokens': 91,
    'chaperone.cost.usd': 0.25,
    'chaperone.request.id': 'req-1',
  })
  expect(span!.events.map(({ name }) => name)).toEqual(['chaperone.attempt', 'chaperone.attempt'])
  expect(span!.status.code ?? 0).toBe(0)
})

test('a failure is an error with its code', async () => {
  traces.record(recordOf({ traceparent, status: 503, errorCode: 'overloaded', errorType: 'overloaded_error' }))
  await traces.stop()
  expect(spans[0]?.status.code).toBe(2)
  expect(spans[0]?.attributes).toContainEqual({ key: 'error.type', value: { stringValue: 'overloaded' } })
})

test('what Envoy does not record is not recorded here', async () => {
  traces.record(recordOf({ traceparent: traceparent.replace(/01$/, '00') }))
  await traces.stop()
  expect(spans).toEqual([])
})

test('without Envoy’s context it is a trace of its own', async () => {
  traces.record(recordOf())
  await traces.stop()
  expect(spans[0]?.parentSpanId ?? '').toBe('')
})

test('a collector that never answers does not hold up the end, and rejects nothing', async () => {
  const mute = createServer(() => undefined)
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const lost = new Traces(`http://127.0.0.1:${(mute.address() as AddressInfo).port}`, 1, () => undefined)
  lost.record(recordOf())
  const began = performance.now()
  await lost.stop(100)
  expect(performance.now() - began).toBeLessThan(5_000)
  await new Promise((resolve) => {
    mute.close(resolve)
    mute.closeAllConnections()
  })
})

test('an MCP request is a span of the trace that its client names, by the conventions for MCP', async () => {
  traces.mcp({
    requestId: 'r1',
    status: 200,
    endpoint: 'default',
    method: 'tools/call',
    era: 'modern',
    caller: { identity: 'anonymous', subject: 'anonymous', listener: 'default' },
    server: 'github',
    name: 'search',
    code: -32003,
    reason: 'policy_denied',
    startMs: Date.now() - 20,
    durationMs: 20,
    traceparent,
  })
  await traces.stop()
  expect(spans).toHaveLength(1)
  const [span] = spans
  expect(span).toMatchObject({
    name: 'tools/call search',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
    status: { code: 2 },
  })
  const attributes = Object.fromEntries(span!.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
  expect(attributes).toMatchObject({
    'mcp.method.name': 'tools/call',
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'search',
    'rpc.response.status_code': '-32003',
    'error.type': 'policy_denied',
    'chaperone.mcp.server': 'github',
  })
})

test('a call of an agent is a span of the trace that its client names, with the tree that it is in', async () => {
  traces.a2a({
    requestId: 'r1',
    status: 200,
    agent: 'billing',
    operation: 'sendMessage',
    binding: 'jsonrpc',
    version: '1.0',
    caller: { identity: 'key', subject: 'k', listener: 'default' },
    from: 'planner',
    depth: 1,
    root: 'tree-1',
    taskId: 't',
    contextId: 'c',
    error: 'budgetExhausted',
    aborted: false,
    startMs: Date.now() - 20,
    durationMs: 20,
    traceparent,
  })
  await traces.stop()
  expect(spans).toHaveLength(1)
  const [span] = spans
  expect(span).toMatchObject({
    name: 'invoke_agent billing',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
    status: { code: 2 },
  })
  const attributes = Object.fromEntries(span!.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
  expect(attributes).toMatchObject({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'billing',
    'gen_ai.conversation.id': 'c',
    'chaperone.a2a.operation': 'sendMessage',
    'chaperone.a2a.from': 'planner',
    'chaperone.tree': 'tree-1',
    'error.type': 'budgetExhausted',
  })
})
