import { parseObject } from '../../json.ts'
import type { ProviderDialect } from '../dialect.ts'
import type { ApiError } from '../errors.ts'
import { Collector, hold, longestHold, type Outcome, type Reply } from './reply.ts'

/** An error response: read whole, and told in the client's own format. */
export class ErrorReply implements Reply {
  readonly #status: number
  readonly #readError: (status: number, body: ReturnType<typeof parseObject>) => ApiError
  readonly #body = new Collector(longestHold)

  constructor(status: number, readError: ProviderDialect['readError']) {
    this.#status = status
    this.#readError = readError
  }

  push(chunk: Uint8Array, last: boolean): Outcome {
    const kept = this.#body.add(chunk)
    // A body beyond the limit is no error object; what the status says is enough.
    if (!last && kept) return hold
    return { type: 'fail', error: this.#readError(this.#status, kept ? parseObject(this.#body.bytes()) : undefined) }
  }
}
