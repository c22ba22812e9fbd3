import { createHash } from 'node:crypto'
import type { BudgetRule, LimitRule } from '../config/limits.ts'
import type { Facts } from '../policy/facts.ts'
import type { AlertMark } from './authority.ts'
import type { Period } from './period.ts'
import { rulePath } from './refusal-text.ts'

/** What a meter counts: `usd` in nano-US-dollars, `concurrent` in slots that are free again when a request ends. */
export type MeterKind = 'requests' | 'tokens' | 'concurrent' | 'usd'

/** Where a rule is written: a limit and a budget may have the same name. `tree`: in a delegation that the caller shows. */
export type MeterSection = 'limit' | 'budget' | 'tree'

/** A limit or a budget, ready to be asked for each request. */
export interface CompiledMeterRule {
  readonly name: string
  /** `limits.rpm`, `budgets.team`. */
  readonly path: string
  readonly section: MeterSection
  readonly kind: MeterKind
  readonly period: Period
  /** Whether it counts a tree of delegations: work that goes from one sidecar to the next, and is over after a while. */
  readonly ofTree: boolean
  readonly onStoreFailure: 'local' | 'deny' | 'allow'
  /** Ascending; empty for limits. */
  readonly alerts: readonly AlertMark[]
  /** The model that answers when the budget is used up; without it the request is refused. */
  readonly downgrade?: string | undefined
  /** Whether the rule's `when` is for such a request. One on which the expression fails is counted: in doubt a limit holds. */
  applies(facts: Facts): boolean
  /**
   * Whose count the request goes to: the values of `by`, joined with `/` (and `/` in one of several values as `%2F`); at
   * most 256 bytes, else a hash. Undefined: the request lacks one of them, and the rule is not for it.
   */
  subject(facts: Facts): string | undefined
  /** How many units a subject has a period. */
  capacity(subject: string): number
}

/** Turns a CEL expression into a function; throws where the expression is wrong. The policy part provides it. */
export type CompileExpression = (source: string) => (facts: Facts) => unknown

export const nanoPerUsd = 1_000_000_000
/** Counts above are not told apart from it: sums of a few stay exact in a double, here and in Redis' Lua. */
export const maxAmount = 2 ** 50
const maxSubjectBytes = 256

/**
 * Compiles the limits and budgets of a revision: those first that can refuse, then those that lead to another model.
 * @throws what `compile` throws
 */
export function compileMeterRules(
  limits: Readonly<Record<string, LimitRule>>,
  budgets: Readonly<Record<string, BudgetRule>>,
  compile: CompileExpression,
): CompiledMeterRule[] {
  const rules = [
    ...Object.entries(limits).map(([name, rule]) => compileLimit(name, rule, compile)),
    ...Object.entries(budgets).map(([name, rule]) => compileBudget(name, rule, compile)),
  ]
  return rules.sort((a, b) => Number(a.downgrade !== undefined) - Number(b.downgrade !== undefined))
}

export function compileLimit(name: string, rule: LimitRule, compile: CompileExpression): CompiledMeterRule {
  const kind = rule.requests !== undefined ? 'requests' : rule.tokens !== undefined ? 'tokens' : 'concurrent'
  const amount = rule.requests ?? rule.tokens ?? rule.concurrent ?? 0
  return {
    name,
    path: rulePath({ kind: 'limit', rule: name }),
    section: 'limit',
    kind,
    period: kind === 'concurrent' ? 'now' : (rule.per ?? 'minute'),
    alerts: [],
    ...shared(rule, compile),
    capacity: capacities(amount, rule.amounts, 1),
  }
}

export function compileBudget(name: string, rule: BudgetRule, compile: CompileExpression): CompiledMeterRule {
  const usd = rule.usd !== undefined
  return {
    name,
    path: rulePath({ kind: 'budget', rule: name }),
    section: 'budget',
    kind: usd ? 'usd' : 'tokens',
    period: rule.per,
    alerts: [...new Set(rule.alerts)].sort((a, b) => a - b).map((threshold) => ({ threshold })),
    downgrade: rule.atEnd === 'deny' ? undefined : rule.atEnd.downgrade,
    ...shared(rule, compile),
    capacity: capacities(rule.usd ?? rule.tokens ?? 0, rule.amounts, usd ? nanoPerUsd : 1),
  }
}

function shared(rule: LimitRule | BudgetRule, compile: CompileExpression) {
  return {
    onStoreFailure: rule.onStoreFailure,
    ofTree: rule.by.includes('tree'),
    applies: condition(rule.when, compile),
    subject: subject(rule, compile),
  }
}

function condition(source: string | undefined, compile: CompileExpression): (facts: Facts) => boolean {
  if (source === undefined) return () => true
  const evaluate = compile(source)
  return (facts) => {
    try {
      return evaluate(facts) === true
    } catch {
      return true
    }
  }
}

function subject(rule: LimitRule | BudgetRule, compile: CompileExpression): (facts: Facts) => string | undefined {
  const values = rule.by.map((dimension) =>
    typeof dimension === 'string' ? named[dimension] : scalar(compile(dimension.expression)),
  )
  const [first, ...rest] = values
  if (!first) return () => ''
  if (rest.length === 0) {
    return (facts) => {
      const value = first(facts)
      return value ? bounded(value) : undefined
    }
  }
  return (facts) => {
    let joined: string | undefined
    for (const read of values) {
      const value = read(facts)
      if (!value) return undefined
      const part = escaped(value)
      joined = joined === undefined ? part : `${joined}/${part}`
    }
    return bounded(joined!)
  }
}

const named = {
  organization: ({ identity }: Facts) => identity.organization,
  tree: ({ identity }: Facts) => identity.delegation?.tree,
  team: ({ identity }: Facts) => identity.team,
  user: ({ identity }: Facts) => identity.user,
  key: ({ identity }: Facts) => identity.key,
  model: ({ model }: Facts) => model,
  listener: ({ request }: Facts) => request.listener,
}

/** An expression's value as text; what is no scalar tells nobody apart. */
function scalar(evaluate: (facts: Facts) => unknown): (facts: Facts) => string | undefined {
  return (facts) => {
    try {
      const value = evaluate(facts)
      switch (typeof value) {
        case 'string':
          return value
        case 'number':
        case 'bigint':
        case 'boolean':
          return String(value)
      }
    } catch {}
    return undefined
  }
}

/** So that `a/b` with `c` is not the same subject as `a` with `b/c`. */
function escaped(value: string): string {
  return /[%/]/.test(value) ? value.replaceAll('%', '%25').replaceAll('/', '%2F') : value
}

function bounded(value: string): string {
  // A UTF-16 unit has at most three bytes, so most values need not be measured.
  if (value.length * 3 <= maxSubjectBytes || Buffer.byteLength(value) <= maxSubjectBytes) return value
  return `sha256:${createHash('sha256').update(value).digest('hex')}`
}

function capacities(
  amount: number,
  amounts: Readonly<Record<string, number>>,
  factor: number,
): (subject: string) => number {
  const units = (value: number) => Math.min(maxAmount, Math.round(value * factor))
  const others = new Map(Object.entries(amounts).map(([subject, value]) => [bounded(subject), units(value)]))
  const usual = units(amount)
  return others.size === 0 ? () => usual : (subject) => others.get(subject) ?? usual
}
