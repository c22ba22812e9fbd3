import type { JsonObject } from '../conversation.ts'
import { parseObject } from '../json.ts'
import { Collector, garbage, hold, longestHold, nothing, type Outcome, type Reply } from './reply.ts'

const longestAnswer = 64 * 1024 * 1024

/** A whole answer that is written anew in the client's wire format. */
export class TranslatedWhole implements Reply {
  readonly #translate: (json: JsonObject) => JsonObject
  readonly #body = new Collector(longestAnswer)
  #sending = false

  /** @param translate throws ApiError where the JSON is no answer */
  constructor(translate: (json: JsonObject) => JsonObject) {
    this.#translate = translate
  }

  push(chunk: Uint8Array, last: boolean): Outcome {
    if (!this.#body.add(chunk)) throw garbage('it is too long to translate')
    if (last) {
      const json = parseObject(this.#body.bytes())
      if (!json) throw garbage('it is no JSON object')
      return { type: 'send', body: Buffer.from(JSON.stringify(this.#translate(json))), held: 'drop' }
    }
    if (!this.#sending && this.#body.length <= longestHold) return hold
    this.#sending = true
    return { type: 'send', body: nothing, held: 'drop' }
  }
}
