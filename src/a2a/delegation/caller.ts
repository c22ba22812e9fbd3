import type { Identity } from '../../identity/identity.ts'
import { allows } from './rights.ts'
import type { Delegation } from './token.ts'
import type { Tree } from './tree.ts'

/** Who calls, once it is known what for. */

/** The identity of a delegate: its own, as far as the chain's rights reach, and for whom it works. */
export function delegated(identity: Identity, delegation: Delegation): Identity {
  const { rights, root, subject, actors, id, callee, budgets } = delegation
  return {
    ...identity,
    delegation: { tree: root, subject, chain: actors, id, agent: callee, budgets },
    mayUseModel: (model) => identity.mayUseModel(model) && allows(rights, 'models', model),
    mayUseServer: (server) => identity.mayUseServer(server) && allows(rights, 'servers', server),
  }
}

/** The caller as a part of a tree, for what counts its calls. */
export function inTree(identity: Identity, { id, subject, budgets }: Tree): Identity {
  return { ...identity, delegation: { chain: [], ...identity.delegation, tree: id, subject, budgets } }
}
