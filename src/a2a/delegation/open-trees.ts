import { parseObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { longestId, type Owners } from '../tasks/owners.ts'
import { readBudgets, writeBudgets } from './budget-claim.ts'
import { mostBudgets, type Tree } from './tree.ts'

/**
 * Which tree a task began: who goes on with a task goes on in its tree, so that nobody gets a new budget by sending another message.
 * It is kept beside the task's owner, for as long.
 */
export class OpenTrees {
  readonly #owners: Owners

  constructor(owners: Owners) {
    this.#owners = owners
  }

  /**
   * @param owner as `ownerKey` spells it
   * @returns undefined where the task is not the owner's, or began no tree
   * @throws {A2aError} where it cannot be told
   */
  async find(agent: string, taskId: string, owner: string): Promise<Tree | undefined> {
    if (taskId.length > longestId) return undefined
    const text = await this.#owners.ownerOf(agent, 'tree', taskId).catch(unknowable)
    const kept = text === undefined ? undefined : parseObject(Buffer.from(text))
    const budgets = readBudgets(kept?.budgets, mostBudgets)
    if (kept?.owner !== owner || !budgets) return undefined
    return { id: String(kept.id), subject: String(kept.subject), budgets }
  }

  /** Notes what tree a task began. Nothing is changed where that is known. @throws {A2aError} where it cannot be kept */
  async keep(agent: string, taskId: string, owner: string, { id, subject, budgets }: Tree): Promise<void> {
    const kept = JSON.stringify({ owner, id, subject, budgets: writeBudgets(budgets) })
    await this.#owners.claim(agent, 'tree', taskId, kept).catch(unknowable)
  }
}

function unknowable(cause: unknown): never {
  throw new A2aError('unavailable', 'Which tree this task is in cannot be told at the moment; try again later', {
    cause,
  })
}
