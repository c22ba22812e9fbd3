import type { TreeBudget } from '../identity/identity.ts'
import type { Facts } from '../policy/facts.ts'
import { rulePath } from './refusal-text.ts'
import { type CompiledMeterRule, type MeterKind, maxAmount, nanoPerUsd } from './rules.ts'

/**
 * What a tree of delegations may spend is said by the token that its agents show, so it is no rule of this gateway's: every
 * sidecar that is shown the token counts by what it says. The capacity is a part of the subject, and all who count for one tree
 * have it from the same token.
 */
export interface TreeRule extends CompiledMeterRule {
  /** What a budget allows, in the rule's units; undefined: it bounds none of this. */
  amount(budget: TreeBudget): number | undefined
}

const delegates: ReadonlySet<string> = new Set(['SendMessage', 'SendStreamingMessage'])
const asksModel = ({ model }: Facts) => model !== ''

export const treeRules: readonly TreeRule[] = [
  treeRule('usd', 'usd', nanoPerUsd, asksModel, ({ usd }) => usd),
  treeRule('tokens', 'tokens', 1, asksModel, ({ tokens }) => tokens),
  treeRule(
    'toolCalls',
    'requests',
    1,
    ({ tool, request }) => tool !== undefined && request.operation === 'tools/call',
    ({ toolCalls }) => toolCalls,
  ),
  treeRule(
    'delegations',
    'requests',
    1,
    ({ agent, request }) => agent !== undefined && delegates.has(request.operation),
    ({ delegations }) => delegations,
  ),
]

function treeRule(
  name: string,
  kind: MeterKind,
  factor: number,
  applies: (facts: Facts) => boolean,
  amount: (budget: TreeBudget) => number | undefined,
): TreeRule {
  return {
    name,
    path: rulePath({ kind: 'tree', rule: name }),
    section: 'tree',
    kind,
    period: 'total',
    ofTree: true,
    onStoreFailure: 'local',
    alerts: [],
    applies,
    subject: () => undefined,
    capacity: (subject) => Number(subject.slice(subject.lastIndexOf('/') + 1)),
    amount(budget) {
      const given = amount(budget)
      return given === undefined ? undefined : Math.min(maxAmount, Math.round(given * factor))
    },
  }
}

/** Whose count it is. */
export function treeSubject({ id }: TreeBudget, amount: number): string {
  return `${id}/${amount}`
}
