/**
 * Whose tasks and contexts are whose. Ids are the agents' own, so that nothing of them says who may use them: whoever was
 * first seen with one owns it.
 */

/** `tree`: what is kept is the tree of delegations that the task began, with its owner. */
export type OwnedKind = 'task' | 'context' | 'tree'

export interface Owners {
  /**
   * Notes an owner where there is none.
   * @param agent its name in the rules
   * @param owner as `ownerKey` spells it
   * @returns who it belongs to now
   */
  claim(agent: string, kind: OwnedKind, id: string, owner: string): Promise<string>
  /** @returns undefined where nobody was seen with it */
  ownerOf(agent: string, kind: OwnedKind, id: string): Promise<string | undefined>
}

/** The longest id that is taken, UTF-16 units. */
export const longestId = 512
