import type { PoliciesRule } from '../config/policies.ts'
import type { Condition, ExpressionCompiler } from './expression.ts'
import type { Facts } from './facts.ts'

/** What the policies say of a request. */
export type Verdict = { effect: 'allow'; policy?: string } | { effect: 'deny'; policy?: string; message: string }

/** One policy's part in a verdict, for explanations. */
export interface PolicyStep {
  policy: string
  effect: 'allow' | 'deny'
  applies: boolean
  /** Whether it was this one that decided. */
  decided: boolean
}

interface CompiledPolicy {
  name: string
  effect: 'allow' | 'deny'
  applies: Condition
  /** The same, but for facts that are not all known yet: what cannot be told lets more through. */
  surelyApplies: Condition
  message: string | undefined
}

/**
 * The policies of one revision. A deny that applies wins over every allow; where none applies, the default holds. A
 * policy whose condition cannot be evaluated for a request (a claim that is missing) errs on the safe side: a deny applies,
 * an allow does not.
 */
export class Policies {
  readonly #denies: CompiledPolicy[] = []
  readonly #allows: CompiledPolicy[] = []
  readonly #default: 'allow' | 'deny'

  /** @throws {ExpressionError} */
  constructor(rule: PoliciesRule, compiler: ExpressionCompiler) {
    this.#default = rule.default
    for (const [name, { effect, when, message }] of Object.entries(rule.rules)) {
      const applies = compiler.condition(when, effect === 'deny')
      const surelyApplies = compiler.condition(when, effect === 'allow')
      const compiled = { name, effect, applies, surelyApplies, message }
      if (effect === 'deny') this.#denies.push(compiled)
      else this.#allows.push(compiled)
    }
  }

  /** Whether every request is allowed whatever the facts, so that none need be gathered. */
  get trivial(): boolean {
    return this.#default === 'allow' && this.#denies.length === 0
  }

  decide(facts: Facts): Verdict {
    for (const policy of this.#denies) if (policy.applies(facts)) return denied(policy)
    if (this.#default === 'allow') return allowed
    for (const { name, applies } of this.#allows) if (applies(facts)) return { effect: 'allow', policy: name }
    return {
      effect: 'deny',
      message: 'No policy allows this request. Ask those who keep the policies for one that does.',
    }
  }

  /**
   * Whether a request of which not all is known yet, such as a tool's call without its arguments, may come to be allowed:
   * what cannot be evaluated for it neither denies nor fails to allow.
   */
  mayAllow(facts: Facts): boolean {
    for (const policy of this.#denies) if (policy.surelyApplies(facts)) return false
    return this.#default === 'allow' || this.#allows.some(({ surelyApplies }) => surelyApplies(facts))
  }

  /** Every policy's part in what `decide` says. */
  explain(facts: Facts): { verdict: Verdict; steps: PolicyStep[] } {
    const verdict = this.decide(facts)
    const steps = [...this.#denies, ...this.#allows].map(({ name, effect, applies }) => ({
      policy: name,
      effect,
      applies: applies(facts),
      decided: verdict.policy === name,
    }))
    return { verdict, steps }
  }
}

const allowed: Verdict = { effect: 'allow' }

function denied({ name, message }: CompiledPolicy): Verdict {
  return {
    effect: 'deny',
    policy: name,
    message: message ?? 'Ask those who keep the policies if you think that this should be allowed.',
  }
}
