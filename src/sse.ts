/**
 * Server-sent events, both ways (WHATWG HTML, section 9.2). Bytes may be split anywhere: inside a UTF-8 sequence,
 * between CR and LF, inside a field name.
 */

/** One dispatched event. */
export interface SseEvent {
  /** The `event` field; empty where there was none. */
  event: string
  /** The `data` lines joined by LF. */
  data: string
  /** The `id` that had come last by then, where it was asked for; missing where none had. */
  id?: string
}

/** Longest event that is held while its end has not come, in characters. */
export const MAX_EVENT_CHARS = 16 * 1024 * 1024

/** An incremental parser: bytes in, dispatched events out. */
export class SseParser {
  readonly #decoder = new TextDecoder('utf-8')
  /** The beginning of a line whose end has not come, as it came: joined once, or long lines would be copied for each piece. */
  #rest: string[] = []
  #event = ''
  #data: string | undefined
  /** The `id` that came last; undefined: none did. */
  lastEventId: string | undefined
  /** The `retry` that came last, ms: how long to wait before coming again. */
  retryMs: number | undefined
  /** Characters held: of the unfinished line, and of the event's data lines with their names, so that empty ones count. */
  #held = 0
  #afterCr = false
  readonly #ids: boolean

  /** @param ids whether events say their ids */
  constructor(ids = false) {
    this.#ids = ids
  }

  /**
   * @returns the events completed by this chunk.
   * @throws {RangeError} where one event grows beyond MAX_EVENT_CHARS.
   */
  push(chunk: Uint8Array): SseEvent[] {
    return this.#lines(this.#decoder.decode(chunk, { stream: true }))
  }

  /**
   * The response ended: what an unterminated last event held is dispatched too. (The standard drops it; providers
   * that forget the last blank line exist, and their usage is in that event.)
   */
  end(): SseEvent[] {
    return this.#lines(`${this.#decoder.decode()}\n\n`)
  }

  #lines(text: string): SseEvent[] {
    const events: SseEvent[] = []
    if (text === '') return events
    // A CRLF split between two chunks: the LF belongs to the CR that already ended its line.
    let start = this.#afterCr && text.charCodeAt(0) === 10 ? 1 : 0
    this.#afterCr = false
    // Each is looked for again only when it has been passed: what a text does not hold is searched for once.
    let lf = text.indexOf('\n', start)
    let cr = text.indexOf('\r', start)
    while (lf !== -1 || cr !== -1) {
      const atCr = cr !== -1 && (lf === -1 || cr < lf)
      const stop = atCr ? cr : lf
      this.#line(this.#completed(text.slice(start, stop)), events)
      start = stop + 1
      if (atCr) {
        if (start === text.length) this.#afterCr = true
        else if (start === lf) start++
        cr = text.indexOf('\r', start)
      }
      if (lf !== -1 && lf < start) lf = text.indexOf('\n', start)
    }
    if (start < text.length) this.#hold(start === 0 ? text : text.slice(start))
    return events
  }

  /** @returns the line that ends with `end` */
  #completed(end: string): string {
    if (this.#rest.length === 0) return end
    const line = this.#rest.join('') + end
    for (const piece of this.#rest) this.#held -= piece.length
    this.#rest = []
    return line
  }

  #hold(piece: string): void {
    this.#rest.push(piece)
    this.#count(piece.length)
  }

  #count(characters: number): void {
    this.#held += characters
    if (this.#held > MAX_EVENT_CHARS) throw new RangeError('a server-sent event is longer than the limit')
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === '') {
      if (this.#data !== undefined)
        events.push({
          event: this.#event,
          data: this.#data,
          ...(this.#ids && this.lastEventId !== undefined && { id: this.lastEventId }),
        })
      this.#event = ''
      this.#data = undefined
      this.#held = 0
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return // a comment
    const field = colon === -1 ? line : line.slice(0, colon)
    let value = colon === -1 ? '' : line.slice(colon + 1)
    if (value.charCodeAt(0) === 32) value = value.slice(1)
    if (field === 'data') {
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
      this.#count(line.length + 1)
    } else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.lastEventId = value
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) this.retryMs = Number(value)
  }
}

/** One event as text. `data` must hold no line breaks (JSON.stringify's output holds none). */
export function sse(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`
}
