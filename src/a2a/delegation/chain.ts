import { isObject, type JsonObject } from '../../json.ts'
import { DelegationError } from './errors.ts'

/** Who delegated to whom: the nested `act` claims of RFC 8693, section 4.1. */

/** The longest chain that is read, whatever the rules say. */
export const longestChain = 32
/** The longest name of an agent, UTF-16 units. */
const longestName = 512

/**
 * The agents of a chain, the first that delegated first.
 * @param act the outermost claim, which names the last one
 * @throws {DelegationError} where it is no chain, or longer than `longestChain`
 */
export function readActors(act: unknown): string[] {
  const actors: string[] = []
  for (let link: unknown = act; link !== undefined; ) {
    if (!isObject(link)) throw new DelegationError('malformed_token', 'The token’s chain of actors is not well formed')
    const { sub, act: before } = link
    if (typeof sub !== 'string' || sub === '' || sub.length > longestName)
      throw new DelegationError('malformed_token', 'The token’s chain has an actor without a name')
    if (actors.length === longestChain)
      throw new DelegationError('delegation_too_deep', `The token’s chain has more than ${longestChain} actors`)
    actors.push(sub)
    link = before
  }
  return actors.reverse()
}

/** The claim that says a chain. @param actors the first that delegated first; at least one */
export function writeActors(actors: readonly string[]): JsonObject {
  return actors.reduce<JsonObject | undefined>((act, sub) => ({ sub, ...(act && { act }) }), undefined) ?? {}
}

/**
 * The chain with one delegation more.
 * @param before who delegated until now, the first first; empty where the caller begins
 * @param caller who delegates now
 * @param callee to whom
 * @param maxDepth how many delegations may lie one after another; 1: nobody may pass on what was delegated to them
 * @throws {DelegationError} where the callee is in the chain already, or it gets too deep
 */
export function extendChain(
  before: readonly string[],
  caller: string,
  callee: string,
  maxDepth: number,
): readonly string[] {
  const chain = [...before, caller]
  // A caller that is there already would be a loop that was let in elsewhere.
  if (new Set(chain).size !== chain.length || chain.includes(callee))
    throw new DelegationError(
      'delegation_loop',
      `This would be a loop: ${[...chain, callee].join(' → ')}. An agent cannot be asked for what it is busy with.`,
    )
  if (chain.length > Math.min(maxDepth, longestChain))
    throw new DelegationError(
      'delegation_too_deep',
      `${[...chain, callee].join(' → ')} are ${chain.length} delegations; the rules allow ${maxDepth}`,
    )
  return chain
}
