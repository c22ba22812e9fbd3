import type { BudgetRule, LimitRule } from '../config/limits.ts'
import { budgets, limits } from '../config/limits.ts'
import type { Facts } from '../policy/facts.ts'
import type { Admission, Use } from './admission.ts'
import { type CompiledMeterRule, compileMeterRules } from './rules.ts'

/** What the tests of limits share. */

/** @returns the facts of a request by someone */
export function factsOf(
  who: { user?: string; team?: string; organization?: string; key?: string; model?: string } = {},
): Facts {
  const { model = 'gpt', ...identity } = who
  return {
    request: { id: 'r', method: 'POST', path: '/', listener: 'default', operation: 'chat', stream: false, bytes: 0 },
    identity: { kind: 'key', subject: 's', claims: {}, mayUseModel: () => true, mayUseServer: () => true, ...identity },
    model,
    parameters: {},
    now: new Date(0),
    spent: () => 0,
  } as Facts
}

/** Expressions of the tests: a fact's name, and what it is compared with. */
export function compileExpression(source: string): (facts: Facts) => unknown {
  const [path, value] = source.split(' == ')
  const read = (facts: Facts) =>
    path!.split('.').reduce<unknown>((object, name) => {
      if (typeof object !== 'object' || object === null || !(name in object)) throw new Error(`no ${name}`)
      return (object as Record<string, unknown>)[name]
    }, facts)
  return value === undefined ? read : (facts) => String(read(facts)) === value
}

/** Rules as they are written. */
export function compileRules(written: {
  limits?: Record<string, Partial<LimitRule>>
  budgets?: Record<string, Partial<BudgetRule>>
}): CompiledMeterRule[] {
  return compileMeterRules(limits.parse(written.limits ?? {}), budgets.parse(written.budgets ?? {}), compileExpression)
}

export const nothing: Use = { tokens: 0, nanoUsd: 0 }

/** @throws where the request was not admitted */
export function admitted(admission: Admission | Promise<Admission>): Extract<Admission, { type: 'admitted' }> {
  if (admission instanceof Promise) throw new Error('it waits')
  if (admission.type !== 'admitted') throw new Error(`${admission.type}: ${JSON.stringify(admission)}`)
  return admission
}

/** @throws where the request was not refused */
export function refused(admission: Admission | Promise<Admission>): Extract<Admission, { type: 'refused' }> {
  if (admission instanceof Promise) throw new Error('it waits')
  if (admission.type !== 'refused') throw new Error(admission.type)
  return admission
}
