import { Lru } from '../../identity/lru.ts'
import type { OwnedKind, Owners } from './owners.ts'

const most = 200_000

/** Owners as one process knows them: a restart forgets them, and with them who may see the tasks. */
export class MemoryOwners implements Owners {
  readonly #owners = new Lru<string, string>(most)

  async claim(agent: string, kind: OwnedKind, id: string, owner: string): Promise<string> {
    const key = keyOf(agent, kind, id)
    const before = this.#owners.get(key)
    if (before !== undefined) return before
    this.#owners.set(key, owner)
    return owner
  }

  async ownerOf(agent: string, kind: OwnedKind, id: string): Promise<string | undefined> {
    return this.#owners.get(keyOf(agent, kind, id))
  }
}

/** Names of agents have no blanks in them. */
const keyOf = (agent: string, kind: OwnedKind, id: string) => `${agent} ${kind} ${id}`
