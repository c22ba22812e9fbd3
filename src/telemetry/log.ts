import { type DestinationStream, type Logger, pino } from 'pino'
import type { TelemetryRule } from '../config/schema.ts'
import type { RequestRecord } from './record.ts'

/** The service's log: JSON lines without prompts, answers or secrets. */
export interface Log extends Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> {
  /** One line for a finished request, where the rules want it. */
  access(record: RequestRecord): void
  /** Something went wrong on the way of a request, or beside any (empty id). */
  failure(error: unknown, requestId: string): void
  /** Obeys changed rules. */
  apply(rule: Pick<TelemetryRule, 'logLevel' | 'accessLog'>): void
}

/**
 * What looks like a credential: bearer tokens, keys in queries, and the makers' own spellings. Error messages of
 * libraries may quote a URL or a header.
 */
const secrets =
  /(bearer\s+|basic\s+|[?&](?:key|api[-_]?key|access_token|token|sig|x-amz-[a-z-]+)=)[^\s"'&]+|\b(?:sk|pk|xai|gsk)[-_][A-Za-z0-9_-]{8,}|\bAIza[A-Za-z0-9_-]{10,}|\bya29\.[A-Za-z0-9._-]+|\b(?:AKIA|ASIA)[A-Z0-9]{12,}/gi

/** @returns the text with what looks like a credential taken out */
export function scrub(text: string): string {
  return text.replace(secrets, (_, before: string | undefined) => `${before ?? ''}[redacted]`)
}

/** @param destination standard output where absent */
export function createLog(rule: Pick<TelemetryRule, 'logLevel' | 'accessLog'>, destination?: DestinationStream): Log {
  const logger = pino(
    {
      level: rule.logLevel,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
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
    // A client may write anything here: it is shown, but not at any length.
    requestModel: record.requestModel.slice(0, 200),
    team: record.team,
    provider: record.provider,
    targetModel: record.targetModel,
    responseModel: record.responseModel,
    stream: record.stream,
    status: record.status,
    errorType: record.errorType,
    errorCode: record.errorCode,
    aborted: record.aborted || undefined,
    attempts: record.attempts.map(({ provider, model, outcome, durationMs }) => ({
      provider,
      model,
      outcome,
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
    finishReasons: record.finishReasons,
    drops: record.drops.length > 0 ? record.drops : undefined,
  }
}

/** An error and its causes, scrubbed and bounded. */
function describe(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { message: scrub(String(error)).slice(0, 2000) }
  const { name, stack } = error
  return {
    type: name,
    message: scrub(error.message).slice(0, 2000),
    stack: stack && scrub(stack).slice(0, 4000),
    ...(error.cause !== undefined && depth < 5 && { cause: describe(error.cause, depth + 1) }),
  }
}
