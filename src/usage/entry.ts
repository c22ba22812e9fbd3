import type { RefusalRecord, RequestRecord } from '../telemetry/record.ts'

/** What was decided about a request, and by which rules. Free of content. */
export interface DecisionEntry {
  readonly requestId: string
  /** Unix milliseconds. */
  readonly time: number
  readonly operation: string
  /** Empty: it was refused before one was known, or asked for none. */
  readonly model: string
  /** The kind of identity: `key`, `jwt`, `mtls`, `pod`, `anonymous`, `none`. */
  readonly identity: string
  readonly subject?: string | undefined
  readonly organization?: string | undefined
  readonly team?: string | undefined
  readonly user?: string | undefined
  /** The id of a virtual key. */
  readonly key?: string | undefined
  readonly listener: string
  readonly status: number
  /** The error's code, where there was one. */
  readonly code?: string | undefined
  /** The rule that refused, by its path. */
  readonly rule?: string | undefined
  /** The budget that put another model in the place of the one asked for. */
  readonly downgraded?: string | undefined
  /** The model as the client wrote it, where that is not `model`. */
  readonly asked?: string | undefined
  /** The revision of the rules, where they come from a store. */
  readonly revision?: number | undefined
  /**
   * The rules that had a part in it, in the order they were asked, by their paths: `policies.rules.night`, `prompts.house`,
   * `guards.private mask EMAIL`, `limits.rpm`. Those that are not here did not apply, or were not asked any more.
   */
  readonly rules?: readonly string[] | undefined
  /** Targets in the order they were tried, with what each said: `openai/gpt-4o=200`. Only of requests that got so far. */
  readonly attempts?: readonly string[] | undefined
}

/** The same with what a finished request has used. */
export interface UsageEntry extends DecisionEntry {
  readonly provider?: string | undefined
  /** The model's name at the provider. */
  readonly targetModel?: string | undefined
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

/** What is kept of one request. */
export type Entry = DecisionEntry | UsageEntry

/** Whether an entry counts as usage. */
export function isUsage(entry: Entry): entry is UsageEntry {
  return 'nanoUsd' in entry
}

const longest = 200
const mostAttempts = 16
const mostRules = 40
const cut = (text: string) => (text.length > longest ? text.slice(0, longest) : text)
const cutOptional = (text: string | undefined) => (text === undefined ? undefined : cut(text))
const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-/
const whole = (value: number | undefined) =>
  value !== undefined && value > 0 ? Math.min(Math.round(value), 1_000_000_000_000_000) : 0
const some = (rules: readonly string[] | undefined) =>
  rules && rules.length > 0 ? rules.slice(0, mostRules) : undefined

/** The id of the trace that a W3C traceparent names. */
export function traceIdOf(context: string | undefined): string | undefined {
  return context === undefined ? undefined : traceparent.exec(context)?.[1]
}

/** The entry of a finished request. Members without a value are there and undefined: so all entries have one shape. */
export function finishedEntry(record: RequestRecord): UsageEntry {
  const { requestId, operation, caller, usage, status, cost, attempts, requestModel } = record
  // Behind a pattern the name that was asked for says more; what nobody answered to may be anything.
  const model = cut(record.model.endsWith('*') && status === 200 ? requestModel : record.model)
  const tried: string[] = []
  for (const each of attempts) {
    if (tried.length === mostAttempts) break
    tried.push(cut(`${each.provider}/${each.model}=${each.outcome}`))
  }
  return {
    requestId,
    time: record.startMs,
    operation,
    model,
    identity: caller?.identity ?? 'anonymous',
    subject: cutOptional(caller?.subject),
    organization: cutOptional(caller?.organization),
    team: cutOptional(caller?.team),
    user: cutOptional(caller?.user),
    key: cutOptional(caller?.key),
    listener: caller?.listener ?? '',
    status,
    code: cutOptional(record.errorCode),
    rule: undefined,
    downgraded: record.downgraded,
    asked: requestModel === model ? undefined : cut(requestModel),
    revision: record.revision,
    rules: some(record.rules),
    attempts: tried,
    provider: record.provider,
    targetModel: cutOptional(record.targetModel),
    input: whole(usage?.input),
    output: whole(usage?.output),
    cached: whole(usage?.cachedInput),
    reasoning: whole(usage?.reasoning),
    nanoUsd: whole(cost && cost.usd * 1_000_000_000),
    estimated: usage?.estimated ? true : undefined,
    traceId: traceIdOf(record.traceparent),
  }
}

/** The entry of a request that stage 1 refused. */
export function refusedEntry(record: RefusalRecord, nowMs: number): DecisionEntry {
  const { requestId, operation, identity, listener, status } = record
  return {
    requestId,
    time: nowMs,
    operation,
    model: '',
    identity,
    subject: cutOptional(record.subject),
    organization: cutOptional(record.organization),
    team: cutOptional(record.team),
    user: cutOptional(record.user),
    key: cutOptional(record.key),
    listener,
    status,
    code: cut(record.code),
    rule: cutOptional(record.rule),
    downgraded: undefined,
    asked: cutOptional(record.requestModel),
    revision: record.revision,
    rules: some(record.rules),
    attempts: undefined,
  }
}
