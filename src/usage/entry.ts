import type { RefusalRecord, RequestRecord } from '../telemetry/record.ts'

/** What is kept of a finished request for the books. Free of content. */
export interface UsageEntry {
  readonly requestId: string
  /** Unix milliseconds. */
  readonly time: number
  readonly operation: string
  readonly model: string
  readonly targetModel?: string | undefined
  readonly provider?: string | undefined
  readonly organization?: string | undefined
  readonly team?: string | undefined
  readonly user?: string | undefined
  readonly key?: string | undefined
  readonly status: number
  readonly input: number
  readonly output: number
  readonly cached: number
  readonly reasoning: number
  /** Billionths of a US dollar. */
  readonly nanoUsd: number
  /** Whether the tokens are this service's own estimate. */
  readonly estimated?: true | undefined
  readonly traceId?: string | undefined
}

/** What was decided about a request, and by which rule. Free of content. */
export interface DecisionEntry {
  readonly requestId: string
  readonly time: number
  readonly operation: string
  /** Empty: it was refused before one was known. */
  readonly model: string
  readonly identity: string
  readonly subject?: string | undefined
  readonly organization?: string | undefined
  readonly team?: string | undefined
  readonly user?: string | undefined
  readonly key?: string | undefined
  readonly listener: string
  readonly status: number
  /** The error's code, where there was one. */
  readonly code?: string | undefined
  /** The rule that refused, by its path. */
  readonly rule?: string | undefined
  /** The budget that put another model in the place of the one asked for. */
  readonly downgraded?: string | undefined
  /** Targets in the order they were tried, with what each said: `openai/gpt-4o=200`. */
  readonly attempts?: readonly string[] | undefined
}

/** What goes to the books in one piece. */
export interface Entry {
  readonly usage?: UsageEntry
  readonly decision: DecisionEntry
}

const longest = 200
const cut = (text: string) => text.slice(0, longest)
const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/
const whole = (value: number | undefined) =>
  value !== undefined && value > 0 ? Math.min(Math.round(value), 1_000_000_000_000_000) : 0

/** The entries of a finished request. */
export function finishedEntry(record: RequestRecord): Entry {
  const { requestId, operation, caller, usage, status } = record
  const who = {
    ...(caller?.organization !== undefined && { organization: cut(caller.organization) }),
    ...(caller?.team !== undefined && { team: cut(caller.team) }),
    ...(caller?.user !== undefined && { user: cut(caller.user) }),
    ...(caller?.key !== undefined && { key: cut(caller.key) }),
  }
  const trace = traceId.exec(record.traceparent ?? '')?.[1]
  const time = record.startMs
  // Behind a pattern the name that was asked for says more; what nobody answered to may be anything.
  const model = cut(record.model.endsWith('*') && status === 200 ? record.requestModel : record.model)
  return {
    usage: {
      requestId,
      time,
      operation,
      model,
      ...(record.targetModel !== undefined && { targetModel: cut(record.targetModel) }),
      ...(record.provider !== undefined && { provider: record.provider }),
      ...who,
      status,
      input: whole(usage?.input),
      output: whole(usage?.output),
      cached: whole(usage?.cachedInput),
      reasoning: whole(usage?.reasoning),
      nanoUsd: whole(record.cost && record.cost.usd * 1_000_000_000),
      ...(usage?.estimated && { estimated: true as const }),
      ...(trace !== undefined && { traceId: trace }),
    },
    decision: {
      requestId,
      time,
      operation,
      model,
      identity: caller?.identity ?? 'anonymous',
      ...(caller && { subject: cut(caller.subject) }),
      ...who,
      listener: caller?.listener ?? '',
      status,
      ...(record.errorCode !== undefined && { code: cut(record.errorCode) }),
      ...(record.downgraded !== undefined && { downgraded: record.downgraded }),
      attempts: record.attempts.slice(0, 16).map((each) => cut(`${each.provider}/${each.model}=${each.outcome}`)),
    },
  }
}

/** The entry of a request that stage 1 refused. */
export function refusedEntry(record: RefusalRecord, nowMs: number): Entry {
  const { requestId, operation, identity, subject, organization, team, user, key, listener, status, code, rule } =
    record
  return {
    decision: {
      requestId,
      time: nowMs,
      operation,
      model: '',
      identity,
      ...(subject !== undefined && { subject: cut(subject) }),
      ...(organization !== undefined && { organization: cut(organization) }),
      ...(team !== undefined && { team: cut(team) }),
      ...(user !== undefined && { user: cut(user) }),
      ...(key !== undefined && { key: cut(key) }),
      listener,
      status,
      code: cut(code),
      ...(rule !== undefined && { rule: cut(rule) }),
    },
  }
}
