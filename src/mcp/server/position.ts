import type { RequestId } from '../protocol.ts'
import type { ServerSession } from './legacy-http-link.ts'

/** Where a stream of a server of the old era can be gone on with (2025-11-25, Resumability and Redelivery). */
export interface UpstreamPosition {
  readonly session: ServerSession
  /** The server's own id of the last event that was read. */
  readonly eventId: string
  /** The request that the stream answers, by the id that the server knows. */
  readonly requestId: RequestId
  /** The server's `retry`, ms. */
  readonly retryMs: number | undefined
}

/** Who waits for the rest of a server's stream later, or elsewhere. */
export interface Resumable {
  /** Called for each event with an id, before what it brings. */
  at(position: UpstreamPosition): void
  /** The server ended its stream before its answer. @returns whether the client comes again for the rest */
  ended(): boolean
}

/** The client's connection is gone, but it may come again for the rest: the server need not stop. */
export class Detached extends Error {
  override readonly name = 'Detached'

  constructor() {
    super('the client may come again')
  }
}

/** The server ended its stream before its answer, and the client comes again for the rest. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded'
}
