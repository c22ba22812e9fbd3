import { randomBytes } from 'node:crypto'
import { McpError } from '../errors.ts'
import { errorCode, type RequestId } from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import type { UpstreamPosition } from '../server/position.ts'
import { type EventPosition, KeptStream, type Target } from './kept-stream.ts'
import type { Reply } from './reply.ts'

/** What all streams hold together, characters, and how many there are of them. */
const mostCharacters = 64 * 1024 * 1024
const mostStreams = 20_000
/** No event's id is good for longer. */
const lifetimeS = 24 * 3600

/** The request whose answer a server's stream brings, as far as it must be known to go on with it anywhere. */
export interface ResumedCall {
  readonly server: string
  readonly method: string
  /** The tool, prompt or resource, by the server's own name. */
  readonly name: string
  /** The id that the client has of the task that it is about. */
  readonly task: string | undefined
}

/** What an event's id says. */
export interface ResumePoint {
  readonly stream: string
  readonly number: number
  readonly request: RequestId | undefined
  readonly upstream: (UpstreamPosition & { readonly call: ResumedCall }) | undefined
}

/** What is in the seal. */
type Sealed = [
  stream: string,
  number: number,
  request: RequestId | null,
  upstream:
    | [
        server: string,
        method: string,
        name: string,
        task: string | null,
        eventId: string,
        requestId: RequestId,
        session: [id: string | null, version: string, host: string | null],
      ]
    | null,
]

/** A reply that outlives its connection. */
export interface Keeping {
  readonly stream: KeptStream
  /** Tells what server the stream's events come from, where that is one. */
  call: ResumedCall | undefined
}

/**
 * The streams to clients of the old era that can be gone on with after a break (2025-11-25, Resumability and Redelivery). An
 * event's id is sealed: it names the stream in this process, and where the server itself can resume, the place in the server's own
 * stream, from which any replica goes on.
 */
export class ResumableStreams {
  readonly #sealer: Sealer
  /** Those that have sent anything, by their ids; the oldest stands first. */
  readonly #streams = new Map<string, KeptStream>()
  #characters = 0

  constructor(sealer: Sealer) {
    this.#sealer = sealer
  }

  get size(): number {
    return this.#streams.size
  }

  /**
   * Makes a reply one that outlives its connection.
   * @param bound the caller, the endpoint and the session
   * @param request the client's; undefined: the stream of what servers say by themselves
   * @param primes whether the client knows events without data
   * @param gone aborted when the connection is gone
   */
  keep(bound: string, request: RequestId | undefined, primes: boolean, reply: Reply, gone: AbortSignal): Keeping {
    const stream = reply.through(
      (sink) =>
        new KeptStream({
          newId: () => randomBytes(9).toString('base64url'),
          request,
          primes,
          sink,
          seal: (position) => this.#seal(bound, position, keeping.call),
          begun: (begun) => {
            if (this.#streams.size >= mostStreams) this.#dropOldest()
            this.#streams.set(begun.id, begun)
          },
          held: (difference) => {
            this.#characters += difference
            if (difference > 0 && this.#characters > mostCharacters) this.#dropOldest()
          },
          forgotten: ({ id }) => this.#streams.delete(id),
        }),
    )
    const keeping: Keeping = { stream, call: undefined }
    if (gone.aborted) stream.detach()
    else gone.addEventListener('abort', () => stream.detach(), { once: true })
    return keeping
  }

  /**
   * Reads the id of an event.
   * @throws {McpError} where it is none that was given to this session
   */
  open(bound: string, text: string): ResumePoint {
    const opened = this.#sealer.open('event', bound, text, Date.now() / 1000)
    if (typeof opened === 'string')
      throw new McpError(
        400,
        errorCode.session,
        'Bad Request: Last-Event-ID is no event of this session, or too old. Open the stream without it.',
        { reason: 'unknown_event' },
      )
    const [stream, number, request, upstream] = opened.value as Sealed
    if (!upstream) return { stream, number, request: request ?? undefined, upstream: undefined }
    const [server, method, name, task, eventId, requestId, [id, version, host]] = upstream
    return {
      stream,
      number,
      request: request ?? undefined,
      upstream: {
        call: { server, method, name, task: task ?? undefined },
        eventId,
        requestId,
        retryMs: undefined,
        session: { id: id ?? undefined, version, host: host ?? undefined },
      },
    }
  }

  /**
   * Goes on with a stream that this process holds.
   * @returns when it is over or the connection is gone; undefined: it is not here, or what was missed is not here any more
   */
  attach({ stream: id, number }: ResumePoint, reply: Reply, gone: AbortSignal): Promise<void> | undefined {
    const stream = this.#streams.get(id)
    if (!stream) return undefined
    let over: () => void = () => undefined
    const done = new Promise<void>((resolve) => {
      over = resolve
    })
    const target: Target = {
      get room() {
        return reply.room
      },
      write: (text) => reply.raw(text),
      end: () => {
        reply.end()
        over()
      },
    }
    if (!stream.attach(target, number)) return undefined
    reply.begin()
    const leave = () => {
      stream.detach(target)
      over()
    }
    if (gone.aborted) leave()
    else gone.addEventListener('abort', leave, { once: true })
    return done
  }

  /** One that is still connected goes on, but cannot be resumed. */
  #dropOldest(): void {
    const oldest = this.#streams.values().next().value
    if (!oldest) return
    this.#streams.delete(oldest.id)
    oldest.drop()
  }

  #seal(bound: string, { stream, number, request, upstream }: EventPosition, call: ResumedCall | undefined): string {
    const content: Sealed = [stream, number, request ?? null, null]
    if (upstream && call) {
      const { eventId, requestId, session } = upstream
      const { server, method, name, task } = call
      content[3] = [
        server,
        method,
        name,
        task ?? null,
        eventId,
        requestId,
        [session.id ?? null, session.version, session.host ?? null],
      ]
    }
    return this.#sealer.seal('event', bound, content, Date.now() / 1000 + lifetimeS)
  }
}
