import type { TreeBudget } from '../identity/identity.ts'
import type { TreeCall } from './tree-call.ts'

/** What calls of one tree took together. */
export interface Spent {
  /** Those that no rule refused. */
  readonly modelCalls: number
  readonly toolCalls: number
  readonly delegations: number
  /** How many calls were refused, or failed. */
  readonly failures: number
  readonly input: number
  readonly output: number
  readonly nanoUsd: number
}

/** A call, and what came of it. */
export interface CallNode {
  readonly call: TreeCall
  /** It has not ended, or is not in the books yet: what is known of it comes from what it asked. */
  readonly underWay: boolean
  readonly own: Spent
  /** With all below it. */
  readonly total: Spent
  /** In order of time. */
  readonly children: readonly CallNode[]
}

/** All that came of one task. */
export interface CallTree {
  readonly id: string
  /** On whose behalf. */
  readonly subject: string
  /** What it may spend, where the gateway that was asked first has said. */
  readonly budgets: readonly TreeBudget[]
  readonly roots: readonly CallNode[]
  readonly total: Spent
  /** First and last moment that is known of, Unix milliseconds. */
  readonly startMs: number
  readonly endMs: number
  readonly traceIds: readonly string[]
}

/** Puts calls together, tree by tree, the oldest first. The same call told twice counts once. */
export function callTrees(calls: readonly TreeCall[]): CallTree[] {
  const trees = new Map<string, Map<string, TreeCall>>()
  for (const call of calls) {
    let tree = trees.get(call.tree)
    if (!tree) {
      tree = new Map()
      trees.set(call.tree, tree)
    }
    tree.set(`${call.requestId} ${call.kind}`, call)
  }
  return [...trees]
    .map(([id, known]) =>
      treeOf(
        id,
        [...known.values()].sort((a, b) => a.time - b.time),
      ),
    )
    .sort((a, b) => a.startMs - b.startMs)
}

function treeOf(id: string, known: readonly TreeCall[]): CallTree {
  const calls = [...known, ...underWay(known)]
  const began = new Map(
    calls.flatMap((call) => (call.delegation === undefined ? [] : [[call.delegation, call] as const])),
  )
  const children = new Map<TreeCall | undefined, TreeCall[]>()
  for (const call of calls) {
    const above = aboveOf(call, began, calls)
    children.set(above, [...(children.get(above) ?? []), call])
  }
  const guessed = new Set(calls.slice(known.length))
  // A chain that a forged entry closed to a ring would have no end; it hangs from nowhere, and is left out.
  const nodeOf = (call: TreeCall): CallNode => {
    const below = (children.get(call) ?? []).sort((a, b) => a.time - b.time).map(nodeOf)
    const own = guessed.has(call) ? nothing : spentBy(call)
    return {
      call,
      underWay: guessed.has(call),
      own,
      total: below.reduce((sum, { total }) => add(sum, total), own),
      children: below,
    }
  }
  const roots = (children.get(undefined) ?? []).map(nodeOf)
  const first = known.find(({ budgets }) => budgets !== undefined)
  return {
    id,
    subject: known.find(({ subject }) => subject !== '')?.subject ?? '',
    budgets: first?.budgets ?? [],
    roots,
    total: roots.reduce((sum, { total }) => add(sum, total), nothing),
    startMs: Math.min(...calls.map(({ time }) => time)),
    endMs: Math.max(...calls.map(({ time, durationMs }) => time + durationMs)),
    traceIds: [...new Set(calls.flatMap(({ traceId }) => (traceId === undefined ? [] : [traceId])))],
  }
}

/** The call that a call came of; undefined: it began the tree. */
function aboveOf(
  call: TreeCall,
  began: ReadonlyMap<string, TreeCall>,
  calls: readonly TreeCall[],
): TreeCall | undefined {
  if (call.parent !== undefined) return began.get(call.parent)
  // One under way says only who delegated before it.
  const candidates = calls.filter((each) => each !== call && each.delegation !== undefined && each.to === call.from)
  return call.chain.length > 0 && candidates.length === 1 ? candidates[0] : undefined
}

/** Delegations that nobody has told the end of: known by those who show them. */
function underWay(known: readonly TreeCall[]): TreeCall[] {
  const ended = new Set(known.map(({ delegation }) => delegation))
  const open = new Map<string, TreeCall>()
  for (const call of known) {
    const { parent, chain, time, durationMs } = call
    if (parent === undefined || ended.has(parent)) continue
    const before = open.get(parent)
    const startMs = Math.min(before?.time ?? time, time)
    const endMs = Math.max(before ? before.time + before.durationMs : 0, time + durationMs)
    open.set(parent, {
      kind: 'agent',
      requestId: '',
      time: startMs,
      durationMs: endMs - startMs,
      tree: call.tree,
      subject: call.subject,
      delegation: parent,
      chain: chain.slice(0, -1),
      from: chain.at(-1) ?? call.subject,
      to: call.from,
      operation: '',
      status: 0,
      input: 0,
      output: 0,
      nanoUsd: 0,
      traceId: call.traceId,
    })
  }
  return [...open.values()]
}

const nothing: Spent = { modelCalls: 0, toolCalls: 0, delegations: 0, failures: 0, input: 0, output: 0, nanoUsd: 0 }
const delegates: ReadonlySet<string> = new Set(['sendMessage', 'streamMessage'])

function spentBy(call: TreeCall): Spent {
  const { kind, operation, input, output, nanoUsd, rule } = call
  const asked = rule === undefined
  return {
    modelCalls: asked && kind === 'model' ? 1 : 0,
    toolCalls: asked && kind === 'tool' && operation === 'tools/call' ? 1 : 0,
    delegations: asked && kind === 'agent' && delegates.has(operation) ? 1 : 0,
    failures: failed(call) ? 1 : 0,
    input,
    output,
    nanoUsd,
  }
}

/** Whether it was refused, or went wrong. */
export function failed({ status, code }: Pick<TreeCall, 'status' | 'code'>): boolean {
  return status >= 400 || code !== undefined
}

function add(one: Spent, other: Spent): Spent {
  return {
    modelCalls: one.modelCalls + other.modelCalls,
    toolCalls: one.toolCalls + other.toolCalls,
    delegations: one.delegations + other.delegations,
    failures: one.failures + other.failures,
    input: one.input + other.input,
    output: one.output + other.output,
    nanoUsd: one.nanoUsd + other.nanoUsd,
  }
}
