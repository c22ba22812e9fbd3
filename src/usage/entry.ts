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
const mostAttempts = 16
const cut = (text: string) => (text.length > longest ? text.slice(0, longest) : text)
const cutOptional = (text: string | undefined) => (text === undefined ? undefined : cut(text))
const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/
const whole = (value: number | undefined) =>
  value !== undefined && value > 0 ? Math.min(Math.round(value), 1_000_000_000_000_000) : 0

/** The entries of a finished request. Members without a value are there and undefined: so all entries have one shape. */
export function finishedEntry(record: RequestRecord): Entry {
  const { requestId, operation, caller, usage, status, cost, traceparent, attempts } = record
  const organization = cutOptional(caller?.organization)
  const team = cutOptional(caller?.team)
  const user = cutOptional(caller?.user)
  const key = cutOptional(caller?.key)
  const time = record.startMs
  // Behind a pattern the name that was asked for says more; what nobody answered to may be anything.
  const model = cut(record.model.endsWith('*') && status === 200 ? record.requestModel : record.model)
  const tried: string[] = []
  for (const each of attempts) {
    if (tried.length === mostAttempts) break
    tried.push(cut(`${each.provider}/${each.model}=${each.outcome}`))
  }
  return {
    usage: {
      requestId,
      time,
      operation,
      model,
      targetModel: cutOptional(record.targetModel),
      provider: record.provider,
      organization,
      team,
      user,
      key,
      status,
      input: whole(usage?.input),
      output: whole(usage?.output),
      cached: whole(usage?.cachedInput),
      reasoning: whole(usage?.reasoning),
      nanoUsd: whole(cost && cost.usd * 1_000_000_000),
      estimated: usage?.estimated ? true : undefined,
      traceId: traceparent === undefined ? undefined : traceId.exec(traceparent)?.[1],
    },
    decision: {
      requestId,
      time,
      operation,
      model,
      identity: caller?.identity ?? 'anonymous',
      subject: cutOptional(caller?.subject),
      organization,
      team,
      user,
      key,
      listener: caller?.listener ?? '',
      status,
      code: cutOptional(record.errorCode),
      rule: undefined,
      downgraded: record.downgraded,
      attempts: tried,
    },
  }
}

/** The entry of a request that stage 1 refused. */
export function refusedEntry(record: RefusalRecord, nowMs: number): Entry {
  const { requestId, operation, identity, listener, status } = record
  return {
    decision: {
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
      attempts: undefined,
    },
  }
}

/**
 * An entry as it is in files and goes to Redis: what was used (nothing for a refused request), a tab, what was decided, a line's
 * end. JSON has neither of these signs, so nothing has to be read to take lines apart.
 */
export function lineOf({ usage, decision }: Entry): string {
  return `${usage ? JSON.stringify(usage) : ''}\t${JSON.stringify(decision)}\n`
}

/** @returns undefined for a line that is none, such as one that a crash cut off */
export function readLine(line: string): Entry | undefined {
  const tab = line.indexOf('\t')
  if (tab === -1) return undefined
  try {
    const decision = JSON.parse(line.slice(tab + 1)) as DecisionEntry
    return tab === 0 ? { decision } : { usage: JSON.parse(line.slice(0, tab)) as UsageEntry, decision }
  } catch {
    return undefined
  }
}
