import { createHash } from 'node:crypto'
import type { ReadDelegation } from '../../governance/governance.ts'
import type { Identity } from '../../identity/identity.ts'
import { Lru } from '../../identity/lru.ts'
import { A2aError } from '../errors.ts'
import { delegated } from './caller.ts'
import { callerKey, type Delegations } from './standing.ts'
import type { Delegation } from './token.ts'

const mostKept = 10_000

/**
 * Reads the delegations that agents show with calls of models and tools: such a call is a part of the tree that its task is in.
 * A token that was good is not checked again before it expires.
 */
export function delegationReader(
  delegations: Pick<Delegations<unknown>, 'standingOf'>,
  now: () => number = Date.now,
): ReadDelegation {
  const kept = new Lru<string, Delegation>(mostKept)
  return async (identity: Identity, token: string) => {
    // The same token shown by another is another case.
    const key = createHash('sha256')
      .update(`${callerKey(identity)}\0${token}`)
      .digest('base64url')
    const known = kept.get(key)
    if (known && now() < known.expires) return delegated(identity, known)
    try {
      const { parent } = await delegations.standingOf(identity, token)
      if (!parent) return identity
      kept.set(key, parent)
      return delegated(identity, parent)
    } catch (error) {
      if (!(error instanceof A2aError)) throw error
      return {
        status: 403,
        code: 'delegation_refused',
        message: `${error.message}.`,
        ...(error.cause !== undefined && { cause: error.cause }),
      }
    }
  }
}
