import { linkSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'

/**
 * A unix socket that has two names: one of this process, which it listens on, and one that clients know, which the process that
 * serves them has. A process that takes another's place gives the known name to its own socket in one step, so that there is no
 * moment without one, and the other can still be reached by the name that is its own.
 */
export class PublishedSocket {
  /** What to listen on. */
  readonly own: string
  readonly #known: string

  /**
   * @param known the path that clients know
   * @param own the path to listen on
   */
  constructor(known: string, own: string) {
    this.#known = known
    this.own = own
  }

  /** From now on clients come here. @throws {Error} where the directory does not let it */
  publish(): void {
    const aside = `${this.own}.new`
    rmSync(aside, { force: true })
    linkSync(this.own, aside)
    renameSync(aside, this.#known)
  }

  /** Takes the known name away, unless another process has it by now. Before the socket is closed. */
  withdraw(): void {
    if (this.published) rmSync(this.#known, { force: true })
  }

  /** Whether clients come here. */
  get published(): boolean {
    try {
      return statSync(this.#known).ino === statSync(this.own).ino
    } catch {
      return false
    }
  }
}

/** A path of a process's own beside the known one. @param id six hexadecimal digits */
export function ownPath(known: string, id: string): string {
  return `${known}.${id}`
}

/** Removes own paths on which nobody listens any more: processes that were killed have left them. */
export async function removeDead(known: string): Promise<void> {
  const directory = dirname(known)
  const prefix = `${basename(known)}.`
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{6}(?:\.\w+)?$/.test(name.slice(prefix.length))) continue
    const path = join(directory, name)
    const heard = await openSocket(path)
    heard?.destroy()
    if (!heard) rmSync(path, { force: true })
  }
}

/** @returns a connection to a unix socket, or undefined where nobody listens */
export function openSocket(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.on('error', () => resolve(undefined))
  })
}
