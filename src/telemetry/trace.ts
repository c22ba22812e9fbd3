import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node'
import type { A2aRecord } from '../a2a/record.ts'
import { ReportingExporter } from './exporter.ts'
import type { McpRecord, RequestRecord } from './record.ts'

/** gen_ai.operation.name of our operations, where the conventions have one. */
const operations: Readonly<Record<string, string>> = {
  chat: 'chat',
  messages: 'chat',
  responses: 'chat',
  generate_content: 'generate_content',
  completions: 'text_completion',
  embeddings: 'embeddings',
}

/** gen_ai.provider.name of our types of providers. */
const providerNames: Readonly<Record<string, string>> = {
  openai: 'openai',
  'openai-compatible': 'openai',
  'azure-openai': 'azure.ai.openai',
  anthropic: 'anthropic',
  gemini: 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  bedrock: 'aws.bedrock',
}

/**
 * Traces over OTLP/HTTP: one span a finished request, a child of Envoy's own span, with an event an attempt. Names follow
 * OpenTelemetry's GenAI conventions (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/).
 */
export class Traces {
  readonly #provider: BasicTracerProvider
  readonly #tracer: ReturnType<BasicTracerProvider['getTracer']>

  /**
   * @param endpoint the collector, such as http://127.0.0.1:4318
   * @param sampling share of the requests that are traced where Envoy has not decided, 0 to 1
   * @param report told when the collector begins to fail
   */
  constructor(endpoint: string, sampling: number, report: (error: Error) => void) {
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces`, timeoutMillis: 5_000 })
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'chaperone' }),
      // Envoy's decision comes with its context; ours counts only where Envoy does not trace.
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampling) }),
      spanProcessors: [new BatchSpanProcessor(new ReportingExporter(exporter, report))],
    })
    this.#tracer = this.#provider.getTracer('chaperone')
  }

  /** Makes the span of a finished request, unless Envoy has decided that its trace is not recorded. */
  record(record: RequestRecord): void {
    const parent = contextOf(record.traceparent)
    if (parent === 'unsampled') return
    const name = operations[record.operation] ?? record.operation
    const endMs = record.startMs + record.durationMs
    const span = this.#tracer.startSpan(
      `${name} ${record.targetModel ?? record.model}`,
      { kind: SpanKind.CLIENT, startTime: record.startMs, attributes: attributesOf(record, name) },
      parent,
    )
    let atMs = record.startMs
    for (const { provider, model, outcome, durationMs } of record.attempts) {
      span.addEvent('chaperone.attempt', { provider, model, outcome, 'duration.ms': Math.round(durationMs) }, atMs)
      atMs = Math.min(atMs + durationMs, endMs)
    }
    const error = record.errorCode ?? record.errorType ?? (record.status >= 400 ? String(record.status) : undefined)
    if (error !== undefined || record.aborted) {
      span.setAttribute('error.type', error ?? 'aborted')
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end(endMs)
  }

  /** The same for an MCP request (https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/). */
  mcp(record: McpRecord): void {
    const parent = contextOf(record.traceparent)
    if (parent === 'unsampled') return
    const { method, server, name, era, endpoint, code, reason, toolError, requestId, durationMs, startMs } = record
    const isTool = method === 'tools/call' && name !== undefined
    const span = this.#tracer.startSpan(
      name !== undefined && !method.startsWith('resources/') ? `${method} ${name.slice(0, 100)}` : method,
      {
        kind: SpanKind.CLIENT,
        startTime: startMs,
        attributes: {
          'mcp.method.name': method,
          ...(isTool && { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name.slice(0, 200) }),
          ...(method.startsWith('resources/') && name !== undefined && { 'mcp.resource.uri': name.slice(0, 500) }),
          ...(method === 'prompts/get' && name !== undefined && { 'gen_ai.prompt.name': name.slice(0, 200) }),
          ...(code !== undefined && { 'rpc.response.status_code': String(code) }),
          'chaperone.mcp.endpoint': endpoint,
          'chaperone.mcp.server': server,
          'chaperone.mcp.era': era,
          'chaperone.request.id': requestId,
          'chaperone.tree': record.caller.work?.tree,
        },
      },
      parent,
    )
    const error = reason ?? (toolError ? 'tool_error' : undefined)
    if (error !== undefined) {
      span.setAttribute('error.type', error)
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end(startMs + durationMs)
  }

  /** The same for a call of an agent (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/). */
  a2a(record: A2aRecord): void {
    const parent = contextOf(record.traceparent)
    if (parent === 'unsampled') return
    const { agent, operation = 'unknown', binding, version, from, depth, root, taskId, contextId, error } = record
    const { requestId, startMs, durationMs, aborted } = record
    const span = this.#tracer.startSpan(
      `invoke_agent ${agent}`,
      {
        kind: SpanKind.CLIENT,
        startTime: startMs,
        attributes: {
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.agent.name': agent,
          'gen_ai.conversation.id': contextId,
          'chaperone.a2a.operation': operation,
          'chaperone.a2a.binding': binding,
          'chaperone.a2a.version': version,
          'chaperone.a2a.task.id': taskId,
          'chaperone.a2a.from': from,
          'chaperone.a2a.depth': depth,
          'chaperone.tree': root,
          'chaperone.request.id': requestId,
        },
      },
      parent,
    )
    if (error !== undefined || aborted) {
      span.setAttribute('error.type', error ?? 'aborted')
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end(startMs + durationMs)
  }

  /**
   * Sends what is left, as far as the collector takes it. Never rejects.
   * @param longestMs a collector that does not answer holds up the end for no longer
   */
  async stop(longestMs = 3_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, longestMs)
    })
    // What went wrong has been reported by the exporter.
    const sent = this.#provider.shutdown().catch(() => undefined)
    await Promise.race([sent, late])
    clearTimeout(timer)
  }
}

function attributesOf(record: RequestRecord, operation: string): Attributes {
  const { usage } = record
  const attributes: Attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': providerNames[record.providerType ?? ''] ?? record.providerType,
    'gen_ai.request.model': record.requestModel.slice(0, 200),
    'gen_ai.response.model': record.responseModel,
    'gen_ai.response.finish_reasons': [...record.finishReasons],
    'gen_ai.usage.input_tokens': usage?.input,
    'gen_ai.usage.output_tokens': usage?.output,
    'gen_ai.usage.cache_read.input_tokens': usage?.cachedInput,
    'gen_ai.usage.cache_creation.input_tokens': usage?.cacheWriteInput,
    'gen_ai.usage.reasoning.output_tokens': usage?.reasoning,
    'http.response.status_code': record.status,
    'chaperone.request.id': record.requestId,
    'chaperone.model': record.model,
    'chaperone.provider': record.provider,
    'chaperone.target_model': record.targetModel,
    'chaperone.team': record.caller?.team,
    'chaperone.user': record.caller?.user,
    'chaperone.organization': record.caller?.organization,
    'chaperone.key': record.caller?.key,
    'chaperone.tree': record.caller?.work?.tree,
    'chaperone.cost.usd': record.cost?.usd,
    'chaperone.time_to_first_byte.ms': record.firstByteMs,
    'chaperone.stream': record.stream,
    'chaperone.drops': [...record.drops],
  }
  for (const name in attributes) if (attributes[name] === undefined) delete attributes[name]
  return attributes
}

const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/

/** The context of a W3C traceparent (Trace Context, section 3.2); a new one where there is none. */
function contextOf(header: string | undefined): Context | 'unsampled' {
  const [, traceId, spanId, flags] = traceparent.exec(header ?? '') ?? []
  if (traceId === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags!, 16)
  if ((traceFlags & TraceFlags.SAMPLED) === 0) return 'unsampled'
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: spanId!, traceFlags, isRemote: true })
}
