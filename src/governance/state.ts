import type { Rules } from '../config/schema.ts'
import { type GuardParts, GuardSet } from '../guards/guard-set.ts'
import { Authenticator } from '../identity/authenticator.ts'
import type { KeySets } from '../identity/jwks.ts'
import type { KeyStore } from '../identity/key-store.ts'
import type { Ledger } from '../limits/ledger.ts'
import { Limiter } from '../limits/limiter.ts'
import { compileMeterRules } from '../limits/rules.ts'
import type { ExpressionCompiler } from '../policy/expression.ts'
import type { GovernanceParts } from './compile.ts'
import type { Guarding, Identifier, Metering } from './governance.ts'

/** What outlives a revision of the rules: keys, key sets of issuers, and what was counted. */
export class GovernanceState implements GovernanceParts {
  readonly keys: KeyStore
  readonly #keySets: KeySets
  readonly #ledger: Ledger
  readonly #guardParts: Omit<GuardParts, 'condition'>

  constructor({
    keys,
    keySets,
    ledger,
    guards,
  }: {
    keys: KeyStore
    keySets: KeySets
    ledger: Ledger
    guards: Omit<GuardParts, 'condition'>
  }) {
    this.keys = keys
    this.#keySets = keySets
    this.#ledger = ledger
    this.#guardParts = guards
  }

  identifier(rules: Rules): Identifier {
    return new Authenticator(rules, { keys: this.keys.directory(), keySets: this.#keySets })
  }

  metering({ limits, budgets }: Rules, compiler: ExpressionCompiler): Metering {
    return new Limiter(
      this.#ledger,
      compileMeterRules(limits, budgets, (source) => compiler.value(source)),
    )
  }

  guards({ guards }: Rules, compiler: ExpressionCompiler): Guarding {
    return new GuardSet(guards, { ...this.#guardParts, condition: (source) => compiler.condition(source, true) })
  }
}
