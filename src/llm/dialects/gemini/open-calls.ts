import { callId } from './wire.ts'

interface OpenCall {
  id: string
  name: string
  /** The id is this service's. */
  made: boolean
}

/**
 * The calls of a conversation that have no result yet. Ids of calls are optional in this API, and Gemini's own models up
 * to 2.5 give none: results then belong to the calls of their name, in order.
 */
export class OpenCalls {
  #open: OpenCall[] = []
  #answering = true
  #ordinal = 0

  /** A content of the model begins. Calls of an earlier turn that nobody answered stay unanswered. */
  calling(): void {
    if (this.#answering) this.#open = []
    this.#answering = false
    this.#ordinal = 0
  }

  /** A content of the user begins. */
  answering(): void {
    this.#answering = true
  }

  /**
   * @param content the index of the content the call stands in, so that a made id is the same in every request
   * @returns the call's id
   */
  called(id: string | undefined, name: string, text: string, content: number): string {
    const made = id === undefined || id === ''
    const ordinal = this.#ordinal++
    const known = made ? callId({ responseId: '', choice: content, ordinal, name, arguments: text }) : id
    this.#open.push({ id: known, name, made })
    return known
  }

  /** @returns the id of the call that a result answers; undefined where it says none and no call fits */
  answered(id: string | undefined, name: string): string | undefined {
    const byId = id === undefined ? -1 : this.#open.findIndex((call) => call.id === id)
    const byName = () => this.#open.findIndex((call) => call.name === name && (!id || call.made))
    const index = byId === -1 ? byName() : byId
    if (index === -1) return id || undefined
    return this.#open.splice(index, 1)[0]!.id
  }
}
