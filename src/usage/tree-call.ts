import type { Delegated, TreeBudget } from '../identity/identity.ts'
import type { RefusalRecord, RequestRecord } from '../telemetry/record.ts'
import { type Entry, traceIdOf, type UsageEntry } from './entry.ts'

/** A call of a tree of delegations as the books keep it: who asked whom, what came of it and what it cost. Free of content. */
export interface TreeCall {
  readonly kind: 'agent' | 'model' | 'tool'
  readonly requestId: string
  /** Its beginning, Unix milliseconds. */
  readonly time: number
  readonly durationMs: number
  /** The tree's id; empty: the request is part of none. */
  readonly tree: string
  /** On whose behalf. */
  readonly subject: string
  /** The delegation that the caller showed, by its token's id; absent: it begins the tree. */
  readonly parent?: string | undefined
  /** The delegation that came of it: what the agent that was asked shows. */
  readonly delegation?: string | undefined
  /** Who delegated before it, the first first. */
  readonly chain: readonly string[]
  /** Who asked: an agent by its name in the rules, or who began. */
  readonly from: string
  /** What was asked: an agent, a model, `server/tool`. */
  readonly to: string
  readonly operation: string
  readonly provider?: string | undefined
  readonly status: number
  /** What went wrong, for programs. */
  readonly code?: string | undefined
  /** The rule that refused, by its path. */
  readonly rule?: string | undefined
  readonly input: number
  readonly output: number
  /** Billionths of a US dollar. */
  readonly nanoUsd: number
  readonly traceId?: string | undefined
  readonly taskId?: string | undefined
  /** The state that the task was last seen in. */
  readonly state?: string | undefined
  /** Of what begins a tree or a part of it: what that may spend. */
  readonly budgets?: readonly TreeBudget[] | undefined
}

/** What goes to the books of one request. */
export interface Entered {
  readonly entry: Entry
  /** Of a request that is part of a tree. */
  readonly call: TreeCall | undefined
}

/** The call of a finished request of a model. */
export function modelCall({ caller, aborted, durationMs }: RequestRecord, entry: UsageEntry): TreeCall {
  const { requestId, time, model, operation, provider, status, code, input, output, nanoUsd, traceId } = entry
  return {
    kind: 'model',
    requestId,
    time,
    durationMs,
    ...placeOf(caller?.work, { user: entry.user, subject: entry.subject ?? '' }),
    to: model,
    operation,
    provider,
    status,
    code: code ?? (aborted ? 'aborted' : undefined),
    input,
    output,
    nanoUsd,
    traceId,
  }
}

/** The same of one that stage 1 refused; undefined: it is part of no tree. */
export function refusedModelCall(record: RefusalRecord, nowMs: number): TreeCall | undefined {
  const { requestId, operation, status, code, rule, user, subject = '', work, durationMs = 0 } = record
  if (!work) return undefined
  return {
    kind: 'model',
    requestId,
    time: nowMs - durationMs,
    durationMs,
    ...placeOf(work, { user, subject }),
    to: (record.requestModel ?? '').slice(0, longestName),
    operation,
    status,
    code: code.slice(0, longestName),
    rule,
    input: 0,
    output: 0,
    nanoUsd: 0,
    traceId: traceIdOf(record.traceparent),
  }
}

/** What a call has of the work that it is part of. */
export function placeOf(
  work: Delegated | undefined,
  who: { readonly user?: string | undefined; readonly subject: string },
) {
  const from = work?.agent ?? who.user ?? who.subject
  return {
    tree: work?.tree ?? '',
    subject: work?.subject ?? '',
    parent: work?.id,
    chain: work?.chain ?? [],
    from: from.slice(0, longestName),
    budgets: work && work.budgets.length > 0 ? work.budgets : undefined,
  }
}

/** Ids by which the books find the tree of a call. */
export function idsOf({ requestId, traceId, taskId }: TreeCall): string[] {
  return [requestId, traceId, taskId].filter(
    (id) => id !== undefined && id !== '' && id.length <= longestId,
  ) as string[]
}

const longestName = 200
export const longestId = 512
/** Calls that are kept of one tree, the newest. */
export const mostCalls = 10_000
