import { randomUUID } from 'node:crypto'
import type { A2aTreeRule } from '../../config/a2a.ts'
import { durationMs } from '../../config/primitives.ts'
import type { TreeBudget } from '../../identity/identity.ts'
import { A2aError } from '../errors.ts'
import { budgetAmounts } from './budget-claim.ts'

/**
 * All that comes of one task is a tree: it begins with the first message, and every delegation after it belongs to it. What it may
 * spend is said when it begins, and goes with its tokens.
 */
export interface Tree {
  readonly id: string
  /** On whose behalf all of it happens. */
  readonly subject: string
  /** The whole tree's first. */
  readonly budgets: readonly TreeBudget[]
}

type Amounts = Omit<TreeBudget, 'id' | 'by' | 'until'>

/** The header by which a caller opens a smaller budget for what it delegates. */
export const budgetHeader = 'chaperone-budget'
/** Budgets that hold at once: one for the tree, and one for each of those who opened one of their own within it. */
export const mostBudgets = 8
const longestHeader = 500

/** What the header calls them: keys of a dictionary are in small letters (RFC 9651, section 3.2). */
const headerNames: Readonly<Record<string, (typeof budgetAmounts)[number]>> = {
  usd: 'usd',
  tokens: 'tokens',
  'tool-calls': 'toolCalls',
  delegations: 'delegations',
  time: 'time',
}

/**
 * Reads `usd=0.5, tokens=20000, tool-calls=5, delegations=2, time=60`: any of these, US dollars and seconds.
 * @throws {A2aError} where it is something else: what is not understood would bound nothing
 */
export function readBudgetHeader(text: string): Amounts {
  const wrong = (why: string) =>
    new A2aError(
      'invalidParams',
      `${budgetHeader} ${why}. It is written usd=0.5, tokens=20000, tool-calls=5, delegations=2, time=60`,
    )
  if (text.length > longestHeader) throw wrong('is too long')
  const amounts: Record<string, number> = {}
  for (const member of text.split(',')) {
    const [, key = '', value = ''] = /^\s*([a-z-]+)=(\d{1,12}(?:\.\d{1,9})?)\s*$/.exec(member) ?? []
    const name = headerNames[key]
    if (name === undefined) throw wrong('has a member that is not known')
    if (name in amounts) throw wrong(`names ${key} twice`)
    if (name !== 'usd' && value.includes('.')) throw wrong(`has no whole number of ${key}`)
    amounts[name] = Number(value)
  }
  return amounts
}

/** What the rules let a tree spend. */
export function amountsOf({ time, ...amounts }: A2aTreeRule): Amounts {
  return { ...amounts, ...(time !== undefined && { time: durationMs(time) / 1000 }) }
}

/**
 * Begins a tree.
 * @param rule what the rules let it spend
 * @param asked what the caller lets it spend: it can only be less
 * @param by who begins it
 */
export function beginTree(
  rule: Amounts,
  asked: Amounts | undefined,
  { by, subject }: { by: string; subject: string },
  now: number,
): Tree {
  const amounts: Record<string, number> = {}
  for (const name of budgetAmounts) {
    const least = Math.min(rule[name] ?? Number.POSITIVE_INFINITY, asked?.[name] ?? Number.POSITIVE_INFINITY)
    if (Number.isFinite(least)) amounts[name] = least
  }
  const id = randomUUID()
  const budgets = Object.keys(amounts).length === 0 ? [] : [timed({ id, by, ...amounts }, now)]
  return { id, subject, budgets }
}

/**
 * The tree as it is for what a caller delegates within it.
 * @param asked what the caller lets that spend, beside all that holds already
 * @throws {A2aError} where too many have opened budgets within each other
 */
export function withinTree(tree: Tree, asked: Amounts | undefined, by: string, now: number): Tree {
  if (asked === undefined) return tree
  if (tree.budgets.length >= mostBudgets)
    throw new A2aError('permissionDenied', `No more than ${mostBudgets} budgets may lie within each other`, {
      rule: 'a2a.tree',
    })
  return { ...tree, budgets: [...tree.budgets, timed({ id: randomUUID(), by, ...asked }, now)] }
}

/** The tree of a task that its owner goes on with: what was spent stays spent, and its time begins anew. */
export function resumeTree(tree: Tree, now: number): Tree {
  return { ...tree, budgets: tree.budgets.map((budget) => timed(budget, now)) }
}

function timed({ until: _, ...budget }: TreeBudget, now: number): TreeBudget {
  return { ...budget, ...(budget.time !== undefined && { until: now + budget.time * 1000 }) }
}
