import type { A2aTaskOwner } from '../../config/a2a.ts'
import type { Identity } from '../../identity/identity.ts'
import { callerKey } from '../delegation/standing.ts'

/**
 * Who a caller's tasks belong to.
 * @param owner whom the rules let share them
 * @returns as `callerKey` spells it where that is the caller alone; what others share is spelled as no identity is
 */
export function ownerKey(identity: Identity, owner: A2aTaskOwner): string {
  const shared = owner === 'caller' ? undefined : identity[owner]
  if (shared === undefined || shared === '') return callerKey(identity)
  // Teams and users of two organizations may have one name.
  return JSON.stringify(
    owner === 'organization' ? { organization: shared } : { organization: identity.organization, [owner]: shared },
  )
}
