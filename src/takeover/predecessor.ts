import type { Socket } from 'node:net'
import { type Inheritance, takeoverSocket } from './incumbent.ts'
import { type Message, onMessages, send } from './lines.ts'
import { openSocket } from './published-socket.ts'

/** The service that runs cannot be followed; `message` says why, for people. */
export class TakeoverError extends Error {
  override readonly name = 'TakeoverError'
}

/** How long the service that runs may take for an answer, ms. */
const patienceMs = 15_000

/** The service whose place is taken, as the one that follows it sees it. */
export class Predecessor {
  readonly inheritance: Inheritance
  /** Settled when it has ended. */
  readonly gone: Promise<void>
  readonly #socket: Socket
  readonly #ask: (message: Message) => Promise<Message>

  private constructor(socket: Socket, ask: (message: Message) => Promise<Message>, inheritance: Inheritance) {
    this.#socket = socket
    this.#ask = ask
    this.inheritance = inheritance
    this.gone = new Promise((resolve) => socket.once('close', () => resolve()))
  }

  /**
   * Finds the service that has a socket.
   * @returns undefined where none has it
   * @throws {TakeoverError} where it cannot be followed
   */
  static async find(socket: string): Promise<Predecessor | undefined> {
    const connection = await openSocket(takeoverSocket(socket))
    if (!connection) {
      const other = await openSocket(socket)
      other?.destroy()
      if (other) throw new TakeoverError(`What listens on ${socket} cannot be followed. Stop it first.`)
      return undefined
    }
    const ask = asker(connection)
    const { error, socket: own, slots, keys } = await ask({ ask: 'inherit' })
    if (typeof own === 'string' && Array.isArray(slots) && typeof keys === 'object' && keys !== null)
      return new Predecessor(connection, ask, { socket: own, slots, keys } as Inheritance)
    connection.destroy()
    throw new TakeoverError(`The service on ${socket} cannot be followed: ${error ?? 'it is of another version'}.`)
  }

  /** Has it free its ports. @throws {TakeoverError} where it does not */
  async release(): Promise<void> {
    await this.#ask({ ask: 'release' })
  }

  /** Has it go, once it has answered what it has. @param socket where this process can be reached */
  async leave(socket: string): Promise<void> {
    await this.#ask({ ask: 'leave', socket })
  }

  /** Lets it be: where it was not told to leave, it goes on. */
  close(): void {
    this.#socket.destroy()
  }
}

/** One question at a time. */
function asker(socket: Socket): (message: Message) => Promise<Message> {
  let answered: ((message: Message) => void) | undefined
  onMessages(socket, (message) => answered?.(message))
  return (message) =>
    new Promise((resolve, reject) => {
      const fail = () => reject(new TakeoverError('The service that runs does not answer.'))
      const timer = setTimeout(fail, patienceMs)
      socket.once('close', fail)
      answered = (answer) => {
        clearTimeout(timer)
        socket.off('close', fail)
        resolve(answer)
      }
      send(socket, message)
    })
}
