import { parseObject } from '../../json.ts'
import type { Observed, ObservedDialect } from '../dialect.ts'
import { Collector, garbage, hold, longestHold, type Outcome, passOn, type Reply } from './reply.ts'

const longestObserved = 16 * 1024 * 1024

/** A whole answer in the client's own wire format: its figures are read, its bytes stay as they are. */
export class PassedWhole implements Reply {
  readonly #dialect: Pick<ObservedDialect, 'observe'>
  readonly #seen: Observed
  readonly #body = new Collector(longestObserved)
  #sending = false

  constructor(dialect: Pick<ObservedDialect, 'observe'>, seen: Observed) {
    this.#dialect = dialect
    this.#seen = seen
  }

  push(chunk: Uint8Array, last: boolean): Outcome {
    const kept = this.#body.add(chunk)
    if (last) {
      const json = kept ? parseObject(this.#body.bytes()) : undefined
      if (json) this.#dialect.observe(json, this.#seen)
      else if (!this.#sending) return { type: 'fail', error: garbage('it is no JSON object') }
      return passOn
    }
    if (!this.#sending && this.#body.length <= longestHold) return hold
    this.#sending = true
    return passOn
  }
}
