import type { TreeBudget } from '../../identity/identity.ts'
import { isObject, type JsonObject } from '../../json.ts'

/** Budgets of a tree in the claims of its tokens. */

export const budgetAmounts = ['usd', 'tokens', 'toolCalls', 'delegations', 'time'] as const

/**
 * Reads what a token or a record says of budgets. Nothing is read leniently: what is not understood would bound nothing.
 * @param most how many there may be
 * @returns undefined where it is not well formed
 */
export function readBudgets(value: unknown, most: number): readonly TreeBudget[] | undefined {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > most) return undefined
  const budgets: TreeBudget[] = []
  for (const one of value) {
    if (!isObject(one)) return undefined
    const { id, by, ...amounts } = one
    if (!isName(id) || !isName(by)) return undefined
    for (const [name, amount] of Object.entries(amounts)) {
      const known = name === 'until' || (budgetAmounts as readonly string[]).includes(name)
      if (!known || typeof amount !== 'number' || !(amount >= 0 && amount <= Number.MAX_SAFE_INTEGER)) return undefined
    }
    // A time without an end would never be over.
    if ((amounts.time === undefined) !== (amounts.until === undefined)) return undefined
    budgets.push({ id, by, ...amounts })
  }
  return budgets
}

export function writeBudgets(budgets: readonly TreeBudget[]): JsonObject[] {
  return budgets.map((budget) => ({ ...budget }))
}

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= 512
