import type { Rules } from '../config/schema.ts'
import type { Identity } from '../identity/identity.ts'
import type { GovernanceParts } from './compile.ts'

/** Whom requests come from where nobody has to say. */
export const anonymous: Identity = {
  kind: 'anonymous',
  subject: 'anonymous',
  claims: {},
  mayUseModel: () => true,
  mayUseServer: () => true,
}

/**
 * Governance without identities, limits and guards. Rules that ask for them are refused: they must never be in force and not
 * enforced.
 */
export const absentGovernance: GovernanceParts = {
  identifier(rules) {
    for (const [name, { identity }] of Object.entries(rules.listeners))
      if (identity.accept.some((kind) => kind !== 'anonymous'))
        throw new RangeError(`listeners.${name}.identity: only anonymous requests can be accepted here`)
    return { identify: () => anonymous }
  },
  metering(rules) {
    refuseAny(rules, 'limits')
    refuseAny(rules, 'budgets')
    return { metered: false, admit: () => never(), spent: () => 0 }
  },
  guards(rules) {
    refuseAny(rules, 'guards')
    return { empty: true, session: () => undefined }
  },
}

function refuseAny(rules: Rules, section: 'limits' | 'budgets' | 'guards'): void {
  const [name] = Object.keys(rules[section])
  if (name !== undefined) throw new RangeError(`${section}.${name}: there are no ${section} here`)
}

function never(): never {
  throw new Error('nothing is metered')
}
