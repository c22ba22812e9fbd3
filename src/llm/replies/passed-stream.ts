import type { Observed, ObservedDialect } from '../dialect.ts'
import { ApiError } from '../errors.ts'
import { StreamWatcher } from '../watch.ts'
import { type Outcome, passOn, type Reply } from './reply.ts'

/** A stream in the client's own wire format: watched for its figures. */
export class PassedStream implements Reply {
  readonly #watcher: StreamWatcher
  #sending = false

  constructor(dialect: ObservedDialect, seen: Observed, hideUsage: boolean) {
    this.#watcher = new StreamWatcher(dialect, seen, hideUsage)
  }

  push(chunk: Uint8Array, last: boolean): Outcome {
    const body = this.#watcher.push(chunk, last)
    if (!this.#sending) {
      this.#sending = true
      const { error } = this.#watcher.seen
      if (error !== undefined)
        return {
          type: 'fail',
          error: new ApiError(
            503,
            'overloaded_error',
            `The provider ended the answer with an error (${error}) before it began. Try again.`,
            { code: error },
          ),
        }
    }
    return body ? { type: 'send', body, held: 'keep' } : passOn
  }
}
