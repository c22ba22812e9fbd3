import { parseObject } from '../../json.ts'
import type { JsonObject } from '../conversation.ts'
import { Collector, garbage, hold, longestHold, nothing, type Outcome, type Reply } from './reply.ts'

const longestAnswer = 64 * 1024 * 1024

/** A whole answer that is written anew in the client's wire format. */
export class TranslatedWhole implements Reply {
  readonly #translate: (json: JsonObject) => JsonObject | Promise<JsonObject>
  readonly #body = new Collector(longestAnswer)
  #sending = false

  /** @param translate throws ApiError where the JSON is no answer */
  constructor(translate: (json: JsonObject) => JsonObject | Promise<JsonObject>) {
    this.#translate = translate
  }

  push(chunk: Uint8Array, last: boolean): Outcome | Promise<Outcome> {
    if (!this.#body.add(chunk)) throw garbage('it is too long to translate')
    if (last) {
      const json = parseObject(this.#body.bytes())
      if (!json) throw garbage('it is no JSON object')
      const translated = this.#translate(json)
      return translated instanceof Promise ? translated.then(whole) : whole(translated)
    }
    if (!this.#sending && this.#body.length <= longestHold) return hold
    this.#sending = true
    return { type: 'send', body: nothing, held: 'drop' }
  }
}

function whole(json: JsonObject): Outcome {
  return { type: 'send', body: Buffer.from(JSON.stringify(json)), held: 'drop' }
}
