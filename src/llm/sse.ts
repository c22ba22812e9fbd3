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
}

/** Longest event that is held while its end has not come, in characters. */
export const MAX_EVENT_CHARS = 16 * 1024 * 1024

/** An incremental parser: bytes in, dispatched events out. */
export class SseParser {
  readonly #decoder = new TextDecoder('utf-8')
  #rest = ''
  #event = ''
  #data: string | undefined
  #afterCr = false

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
    const events = this.#lines(`${this.#decoder.decode()}\n\n`)
    this.#rest = ''
    return events
  }

  #lines(text: string): SseEvent[] {
    const events: SseEvent[] = []
    let buffer = this.#rest === '' ? text : this.#rest + text
    // A CRLF split between two chunks: the LF belongs to the CR that already ended its line.
    if (this.#afterCr && buffer.length > 0) {
      if (buffer.charCodeAt(0) === 10) buffer = buffer.slice(1)
      this.#afterCr = false
    }
    let start = 0
    while (start < buffer.length) {
      const lf = buffer.indexOf('\n', start)
      let cr = buffer.indexOf('\r', start)
      if (cr !== -1 && lf !== -1 && cr > lf) cr = -1
      const stop = cr !== -1 ? cr : lf
      if (stop === -1) break
      this.#line(buffer.slice(start, stop), events)
      start = stop + 1
      if (cr !== -1) {
        if (start === buffer.length) this.#afterCr = true
        else if (buffer.charCodeAt(start) === 10) start++
      }
    }
    this.#rest = start === 0 ? buffer : buffer.slice(start)
    if (this.#rest.length + (this.#data?.length ?? 0) > MAX_EVENT_CHARS)
      throw new RangeError('a server-sent event is longer than the limit')
    return events
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === '') {
      if (this.#data !== undefined) events.push({ event: this.#event, data: this.#data })
      this.#event = ''
      this.#data = undefined
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return // a comment
    const field = colon === -1 ? line : line.slice(0, colon)
    let value = colon === -1 ? '' : line.slice(colon + 1)
    if (value.charCodeAt(0) === 32) value = value.slice(1)
    if (field === 'data') this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    else if (field === 'event') this.#event = value
  }
}

/** One event as text. `data` must hold no line breaks (JSON.stringify's output holds none). */
export function sse(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`
}
