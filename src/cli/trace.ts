import type { TreeBudget } from '../identity/identity.ts'
import { connectRedis } from '../store/redis-client.ts'
import { type CallNode, type CallTree, callTrees, failed, type Spent } from '../usage/call-tree.ts'
import { RedisBooks } from '../usage/redis-books.ts'
import { reason } from './rules.ts'

export interface TraceOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  output: 'text' | 'json'
}

/**
 * `chaperone trace ID`: what came of a task, as a tree: which agents asked which agents, models and tools, and what it cost.
 * @param id of a trace, a tree, a task or a request
 * @returns the exit code: 1 where nothing is known of the id
 */
export async function trace(
  id: string,
  { store, tenant, output }: TraceOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  if (store === undefined) {
    process.stderr.write('What came of tasks is kept in Redis: say which with --store, or in CHAPERONE_STORE.\n')
    return 1
  }
  const client = connectRedis(store, () => undefined)
  try {
    const trees = callTrees(await new RedisBooks(client, tenant).calls(id))
    if (trees.length === 0) {
      process.stderr.write(
        'Nothing is known of this id: it is of no task of agents, of one that has only begun, or of one that is more than a week old. `chaperone explain` knows single requests.\n',
      )
      return 1
    }
    write(
      output === 'json' ? `${JSON.stringify({ trees: trees.map(shown) }, null, 2)}\n` : trees.map(treeText).join('\n'),
    )
    return 0
  } catch (error) {
    process.stderr.write(`${reason(error)}\n`)
    return 1
  } finally {
    client.disconnect()
  }
}

function shown({ roots, total, startMs, endMs, ...tree }: CallTree): object {
  return {
    ...tree,
    time: new Date(startMs).toISOString(),
    durationMs: Math.round(endMs - startMs),
    total: inUsd(total),
    roots: roots.map(shownNode),
  }
}

function shownNode({ call, underWay, own, total, children }: CallNode): object {
  const {
    time,
    durationMs,
    tree: _,
    subject: __,
    budgets: ___,
    input: ____,
    output: _____,
    nanoUsd: ______,
    ...rest
  } = call
  return {
    ...rest,
    time: new Date(time).toISOString(),
    durationMs: Math.round(durationMs),
    ...(underWay && { underWay }),
    own: inUsd(own),
    total: inUsd(total),
    children: children.map(shownNode),
  }
}

const inUsd = ({ nanoUsd, ...counts }: Spent) => ({ ...counts, usd: nanoUsd / 1_000_000_000 })

/** One tree for people: a line a call, what was spent by it and by all below it. */
export function treeText(tree: CallTree): string {
  const { id, subject, budgets, roots, total, startMs, endMs, traceIds } = tree
  const rows: string[][] = [['', 'TOKENS', 'USD', 'TIME', 'OUTCOME']]
  for (const node of roots) addRows(rows, node, '', '')
  const counts = [
    counted(total.delegations, 'delegation'),
    counted(total.modelCalls, 'model call'),
    counted(total.toolCalls, 'tool call'),
    ...(total.failures > 0 ? [`${total.failures} refused or failed`] : []),
  ]
  rows.push([`total: ${counts.join(', ')}`, tokens(total), usd(total.nanoUsd), duration(endMs - startMs), ''])
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd()
  const head = [
    `tree    ${id}, for ${subject}, ${new Date(startMs).toISOString()}`,
    ...(traceIds.length > 0 ? [`trace   ${traceIds.join(', ')}`] : []),
    ...budgets.map((budget) => `budget  ${budgetText(budget, total, endMs - startMs)}`),
  ]
  return `${head.join('\n')}\n\n${rows.map(line).join('\n')}\n`
}

function addRows(rows: string[][], node: CallNode, lead: string, below: string): void {
  const { call, underWay, total, children } = node
  const what =
    call.kind === 'agent'
      ? `${call.from} → ${call.to}${call.operation === '' || sends.has(call.operation) ? '' : ` (${call.operation})`}`
      : call.kind === 'model'
        ? `model ${call.to || '?'}${call.provider === undefined ? '' : ` at ${call.provider}`}`
        : `tool ${call.to || call.operation}`
  rows.push([
    lead + what,
    tokens(total),
    usd(total.nanoUsd),
    duration(call.durationMs),
    underWay ? 'under way' : outcome(node),
  ])
  children.forEach((child, index) => {
    const last = index === children.length - 1
    addRows(rows, child, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`)
  })
}

const sends: ReadonlySet<string> = new Set(['sendMessage', 'streamMessage'])

function outcome({ call }: CallNode): string {
  const { status, code, rule, state } = call
  if (!failed(call))
    return (
      state?.replace('TASK_STATE_', '').toLowerCase().replaceAll('_', ' ') ??
      (call.kind === 'model' ? String(status) : 'ok')
    )
  return `${rule === undefined ? 'failed' : 'refused'}: ${[code ?? status, rule].filter((word) => word !== undefined).join(', ')}`
}

/** What was spent of a budget. Of one within the tree it is not known what was its own. */
function budgetText({ by, usd: most, ...rest }: TreeBudget, total: Spent, ms: number): string {
  const parts = [
    ...(most === undefined ? [] : [`${usd(total.nanoUsd)} of ${most} USD`]),
    ...(rest.tokens === undefined ? [] : [`${total.input + total.output} of ${rest.tokens} tokens`]),
    ...(rest.toolCalls === undefined ? [] : [`${total.toolCalls} of ${rest.toolCalls} tool calls`]),
    ...(rest.delegations === undefined ? [] : [`${total.delegations} of ${rest.delegations} delegations`]),
    ...(rest.time === undefined ? [] : [`${duration(ms)} of ${rest.time} s`]),
  ]
  return `opened by ${by}: ${parts.join(', ')}`
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
const tokens = ({ input, output }: Spent) => (input + output === 0 ? '' : `${input}+${output}`)
const usd = (nano: number) => (nano === 0 ? '' : (nano / 1_000_000_000).toFixed(6))
const duration = (ms: number) => (ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)
