import type { Rules } from '../config/schema.ts'
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

  constructor({ keys, keySets, ledger }: { keys: KeyStore; keySets: KeySets; ledger: Ledger }) {
    this.keys = keys
    this.#keySets = keySets
    this.#ledger = ledger
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

  guards({ guards }: Rules): Guarding {
    const [name] = Object.keys(guards)
    if (name !== undefined) throw new RangeError(`guards.${name}: guards are not part of this version yet`)
    return { empty: true, session: () => undefined }
  }
}
