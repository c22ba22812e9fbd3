import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { type Message, onMessages, send } from './lines.ts'
import { PublishedSocket } from './published-socket.ts'

/** Where a service that runs is asked to give its place. @param socket the service's socket */
export function takeoverSocket(socket: string): string {
  return `${socket}.takeover`
}

/** What the service that runs tells the one that is to follow it. */
export interface Inheritance {
  /** Where it can be reached when its place is another's. */
  readonly socket: string
  /** Slots of the state directory that are in use: its own, and those of services before it that still finish something. */
  readonly slots: readonly number[]
  /** Keys that were made when it started and that the rules do not say: what they sealed and signed is to stay valid. */
  readonly keys: Readonly<Record<string, string>>
}

/** What a service does for the one that follows it, in this order. */
export interface Succession {
  describe(): Promise<Inheritance>
  /** Frees the ports that only one process can have. */
  release(): Promise<void>
  /** The other one did not come about: all is as it was before. */
  resume(): Promise<void>
  /** The other one has the place. @param successor where it can be reached */
  leave(successor: string): void
}

/**
 * The side of the service that runs: one successor at a time asks `inherit`, `release` and `leave`, each answered by a line. A
 * successor whose connection ends before `leave` is none.
 */
export class Incumbent {
  readonly #server: Server
  readonly #succession: Succession
  readonly #report: (error: unknown) => void
  readonly #socket: PublishedSocket
  #successor: Socket | undefined
  #left = false

  /**
   * @param socket the service's socket
   * @param own the path of that socket that is this process's own
   */
  constructor(socket: string, own: string, succession: Succession, report: (error: unknown) => void) {
    this.#socket = new PublishedSocket(takeoverSocket(socket), takeoverSocket(own))
    this.#succession = succession
    this.#report = report
    this.#server = createServer((socket) => this.#serve(socket))
  }

  /** Listens, for this user only. @throws {Error} where that is not possible */
  async listen(): Promise<void> {
    const { own } = this.#socket
    rmSync(own, { force: true })
    this.#server.listen(own)
    await once(this.#server, 'listening')
    this.#server.on('error', this.#report)
    chmodSync(own, 0o600)
    this.#socket.publish()
  }

  /** Nobody can ask any more. */
  stop(): void {
    this.#socket.withdraw()
    this.#server.close()
    this.#successor?.destroy()
  }

  #serve(socket: Socket): void {
    socket.on('error', () => undefined)
    if (this.#successor || this.#left) {
      send(socket, { error: 'another service takes its place already' })
      socket.end()
      return
    }
    this.#successor = socket
    let released = false
    let work = Promise.resolve()
    const answer = async ({ ask, socket: successor }: Message) => {
      if (ask === 'inherit') send(socket, { ...(await this.#succession.describe()) })
      else if (ask === 'release') {
        released = true
        await this.#succession.release()
        send(socket, { released: true })
      } else if (ask === 'leave' && typeof successor === 'string') {
        this.#left = true
        send(socket, { left: true })
        this.#succession.leave(successor)
      } else socket.destroy()
    }
    onMessages(socket, (message) => {
      work = work
        .then(() => answer(message))
        .catch((error) => {
          this.#report(error)
          socket.destroy()
        })
    })
    socket.on('close', () => {
      this.#successor = undefined
      work = work
        .then(async () => {
          if (!released || this.#left) return
          this.#socket.publish()
          await this.#succession.resume()
        })
        .catch((error) => this.#report(error))
    })
  }
}
