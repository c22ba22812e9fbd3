import { type DestinationStream, type Logger, pino } from 'pino'
import type { TelemetryRule } from '../config/schema.ts'
import type { Caller, McpRecord, RefusalRecord, RequestRecord } from './record.ts'
import { scrub } from './scrub.ts'

/** The service's log: JSON lines without prompts, answers or secrets. */
export interface Log extends Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> {
  /** One line for a finished request, where the rules want it. */
  access(record: RequestRecord): void
  /** One line for a request that stage 1 refused, where the rules want it. */
  refusal(record: RefusalRecord): void
  /** One line for a finished MCP request, where the rules want it. */
  mcp(record: McpRecord): void
  /** Something went wrong on the way of a request, or beside any (empty id). */
  failure(error: unknown, requestId: string): void
  /** Obeys changed rules. */
  apply(rule: Pick<TelemetryRule, 'logLevel' | 'accessLog'>): void
}

/** @param destination standard output where absent */
export function createLog(rule: Pick<TelemetryRule, 'logLevel' | 'accessLog'>, destination?: DestinationStream): Log {
  const logger = pino(
    {
      level: rule.logLevel,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        // Messages may quote what a library or Envoy has said.
        logMethod(args, method) {
          const last = args.length - 1
          if (typeof args[last] === 'string') args[last] = scrub(args[last])
          method.apply(this, args)
        },
      },
    },
    destination ?? pino.destination({ fd: 1, sync: false, minLength: 0 }),
  )
  let { accessLog } = rule
  return {
    trace: logger.trace.bind(logger),
    debug: logger.debug.bind(logger),
    info: logger.info.bind(logger),
    warn: logger.warn.bind(logger),
    error: logger.error.bind(logger),
    access(record) {
      if (!accessLog) return
      const line = accessLine(record)
      if (record.status >= 500) logger.warn(line, 'request')
      else logger.info(line, 'request')
    },
    refusal(record) {
      if (!accessLog) return
      const line = refusalLine(record)
      if (record.status >= 500) logger.warn(line, 'refused')
      else logger.info(line, 'refused')
    },
    mcp(record) {
      if (!accessLog) return
      logger.info(mcpLine(record), record.reason === undefined ? 'mcp' : 'mcp failed')
    },
    failure(error, requestId) {
      logger.error({ ...(requestId !== '' && { requestId }), error: describe(error) }, 'failure')
    },
    apply(now) {
      logger.level = now.logLevel
      accessLog = now.accessLog
    },
  }
}

const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/

/** The fields of a request's line; docs/observability.md lists them. */
function accessLine(record: RequestRecord): object {
  const { usage, cost } = record
  return {
    requestId: record.requestId,
    traceId: record.traceparent === undefined ? undefined : traceId.exec(record.traceparent)?.[1],
    operation: record.operation,
    model: record.model,
    requestModel: short(record.requestModel),
    ...callerFields(record.caller),
    downgraded: record.downgraded,
    provider: record.provider,
    targetModel: short(record.targetModel),
    responseModel: short(record.responseModel),
    stream: record.stream,
    status: record.status,
    errorType: record.errorType,
    errorCode: short(record.errorCode),
    aborted: record.aborted || undefined,
    attempts: record.attempts.map(({ provider, model, outcome, durationMs }) => ({
      provider,
      model: short(model),
      outcome: short(outcome),
      ms: Math.round(durationMs),
    })),
    durationMs: Math.round(record.durationMs),
    firstByteMs: record.firstByteMs === undefined ? undefined : Math.round(record.firstByteMs),
    inputTokens: usage?.input,
    outputTokens: usage?.output,
    cachedInputTokens: usage?.cachedInput,
    cacheWriteInputTokens: usage?.cacheWriteInput,
    reasoningTokens: usage?.reasoning,
    tokensEstimated: usage?.estimated,
    costUsd: cost?.usd,
    finishReasons: record.finishReasons.slice(0, most).map(short),
    drops: record.drops.length > 0 ? record.drops.slice(0, most).map(short) : undefined,
  }
}

/** The fields of a refused request's line. */
function refusalLine(record: RefusalRecord): object {
  const { requestId, operation, status, code, rule } = record
  return { requestId, operation, ...callerFields(record), status, errorCode: short(code), rule: short(rule) }
}

/** The fields of an MCP request's line: the audit of what was called. */
function mcpLine(record: McpRecord): object {
  const { requestId, traceparent, endpoint, method, era, server, name, code, reason, rule, toolError } = record
  return {
    requestId,
    traceId: traceparent === undefined ? undefined : traceId.exec(traceparent)?.[1],
    endpoint,
    method: short(method),
    era,
    ...callerFields(record.caller),
    server,
    name: short(name),
    arguments: record.arguments,
    toolError,
    approvedBy: short(record.approvedBy),
    rule,
    durationMs: Math.round(record.durationMs),
    errorCode: code,
    reason: short(reason),
  }
}

function callerFields(caller: Partial<Caller> | undefined): object {
  // Without identities in the rules there is nothing to tell.
  if (!caller || caller.identity === 'anonymous') return {}
  const { identity, subject, user, team, organization, key, listener, work } = caller
  return {
    identity,
    subject: short(subject),
    user: short(user),
    team: short(team),
    organization: short(organization),
    key,
    listener,
    tree: work?.tree,
  }
}

/** Clients and providers choose names, codes and the number of answers: they are shown, but not at any length. */
const most = 50
const longest = 200
function short<T extends string | undefined>(text: T): T | string {
  return text !== undefined && text.length > longest ? `${text.slice(0, longest)}…` : text
}

/** An error and its causes, scrubbed and bounded. */
function describe(error: unknown, depth = 0): object {
  if (!(error instanceof Error))
    return { message: clean(typeof error === 'object' ? 'not an error' : String(error), 2_000) }
  const { name, message, stack, cause } = error
  const { code } = error as NodeJS.ErrnoException
  // Of the attempts at several addresses of one host, each has failed for its own reason.
  const causes = error instanceof AggregateError ? error.errors.slice(0, 5) : []
  return {
    type: name,
    ...(typeof code === 'string' && { code: clean(code, longest) }),
    message: clean(message, 2_000),
    stack: stack && clean(stack, 4_000),
    ...(cause !== undefined && depth < 5 && { cause: describe(cause, depth + 1) }),
    ...(causes.length > 0 && depth < 5 && { causes: causes.map((each) => describe(each, depth + 1)) }),
  }
}

/** Scrubbed with some room to spare, so that no credential is cut in two and missed. */
function clean(text: string, length: number): string {
  return scrub(text.slice(0, length + 10_000)).slice(0, length)
}
