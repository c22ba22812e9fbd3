import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { JsonObject } from '../../json.ts'
import type { A2aError } from '../errors.ts'
import type { A2aOperation } from '../operations.ts'

/** The answer to a client: one result, or a stream of events, or an error in either. */
export interface Reply {
  /** Adds headers to the head that has not been sent. */
  headers(headers: Iterable<readonly [string, string]>): void
  /** @throws {A2aError} where the client's version cannot say it; nothing has been sent then */
  result(operation: A2aOperation, value: JsonObject): void
  /**
   * One event more. The first one begins the stream.
   * @returns when there is room for more
   * @throws {A2aError} where the client's version cannot say it
   */
  event(operation: A2aOperation, value: JsonObject): Promise<void>
  /** The stream has come to its end. */
  end(): void
  error(error: A2aError): void
}

/** Writes a piece of a stream. @returns when there is room for more, or nobody to make it */
export async function written(response: ServerResponse, piece: string | Uint8Array): Promise<void> {
  if (response.write(piece) || response.destroyed) return
  // A client that has gone will never make room.
  const gone = new AbortController()
  const closed = once(response, 'close', { signal: gone.signal }).catch(() => undefined)
  await Promise.race([once(response, 'drain', { signal: gone.signal }).catch(() => undefined), closed])
  gone.abort()
}
