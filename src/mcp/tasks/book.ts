import type { HeldTask } from './task-id.ts'

const mostOfOne = 1_000
const mostOfAll = 20_000

/** A task, and the id that its client has. */
export interface Begun {
  readonly outward: string
  readonly task: HeldTask
}

/**
 * The tasks that were begun through this process: what a client may list, and the ids that it has of them. It is not needed
 * to ask for a task: the id says all. What is oldest is forgotten first.
 */
export class TaskBook {
  /** By whom they belong to, then by server and its own id, in the order of their beginning. */
  readonly #tasks = new Map<string, Map<string, Begun>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(bound: string, begun: Begun): void {
    let own = this.#tasks.get(bound)
    // Who began one last stands last.
    if (own) this.#tasks.delete(bound)
    else own = new Map()
    this.#tasks.set(bound, own)
    const key = keyOf(begun.task.server, begun.task.id)
    if (!own.has(key)) this.#size++
    own.set(key, begun)
    if (own.size > mostOfOne) this.#drop(bound, own)
    if (this.#size > mostOfAll) {
      const [oldest, theirs] = this.#tasks.entries().next().value!
      this.#drop(oldest, theirs)
    }
  }

  /** @returns the id that the client has of a server's task */
  outward(bound: string, server: string, id: string): string | undefined {
    return this.#tasks.get(bound)?.get(keyOf(server, id))?.outward
  }

  of(bound: string): readonly Begun[] {
    return [...(this.#tasks.get(bound)?.values() ?? [])]
  }

  /** The server does not have it any more. */
  delete(bound: string, { server, id }: HeldTask): void {
    const own = this.#tasks.get(bound)
    if (!own?.delete(keyOf(server, id))) return
    this.#size--
    if (own.size === 0) this.#tasks.delete(bound)
  }

  #drop(bound: string, own: Map<string, Begun>): void {
    own.delete(own.keys().next().value!)
    this.#size--
    if (own.size === 0) this.#tasks.delete(bound)
  }
}

const keyOf = (server: string, id: string) => `${server}\0${id}`
