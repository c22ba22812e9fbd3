import { sse } from '../../sse.ts'
import { errorResponse, type McpError } from '../errors.ts'
import type { JsonObject, JsonRpcErrorBody, RequestId } from '../protocol.ts'
import type { Carrier } from '../server/carrier.ts'
import type { ReplySink } from './reply-sink.ts'

/**
 * The answer to one request: a JSON object where nothing comes before it, else a stream of server-sent events that ends
 * with it (Streamable HTTP, Sending Messages).
 */
export class Reply {
  /** Can bring the call straight to its server. */
  readonly carrier: Carrier | undefined
  #sink: ReplySink
  readonly #mayStream: boolean
  readonly #headers: readonly (readonly [string, string])[]
  #keepAlive: NodeJS.Timeout | undefined
  #streaming = false
  #done = false

  /** @param mayStream whether the client takes text/event-stream */
  constructor(
    sink: ReplySink,
    mayStream: boolean,
    headers: readonly (readonly [string, string])[] = [],
    carrier?: Carrier,
  ) {
    this.#sink = sink
    this.#mayStream = mayStream
    this.#headers = headers
    this.carrier = carrier
  }

  /** From now on no silence is longer than this: a comment is sent, which begins the stream. */
  keepAlive(everyMs: number): void {
    if (this.#done || !this.#mayStream) return
    this.#keepAlive = setInterval(() => {
      if (!this.open) clearInterval(this.#keepAlive)
      else if (this.#stream()) this.#sink.write(': \n\n')
    }, everyMs)
    this.#keepAlive.unref()
  }

  /** From now on all goes through another sink, before anything was written. @param make given where it went until now */
  through<S extends ReplySink>(make: (sink: ReplySink) => S): S {
    const made = make(this.#sink)
    this.#sink = made
    return made
  }

  /** Events as text, as they are. */
  raw(events: string): void {
    if (this.open && this.#stream()) this.#sink.write(events)
  }

  /** Whether the client can be told anything before the answer. */
  get open(): boolean {
    return this.#mayStream && !this.#done && !this.#sink.gone
  }

  /** Resolves when the client has taken what waits for it; undefined: there is room for more. */
  get room(): Promise<void> | undefined {
    return this.#sink.room
  }

  /** Something that comes before the answer; lost where the client takes no stream. */
  message(message: JsonObject): void {
    if (this.open && this.#stream()) this.#sink.write(sse(JSON.stringify(message)))
  }

  notify(method: string, params: JsonObject): void {
    this.message({ jsonrpc: '2.0', method, params })
  }

  /** Begins the stream now: the client must be able to see that it is open. */
  begin(): void {
    if (this.open && this.#stream()) this.#sink.flush()
  }

  /** A request that the client is to answer before the call can go on. */
  ask(request: JsonObject): void {
    this.message(request)
    this.#sink.flush()
  }

  /** Ends a stream that has no answer. */
  end(): void {
    if (this.#done) return
    this.#finish()
    if (!this.#sink.gone) this.#sink.end()
  }

  result(id: RequestId, result: JsonObject, headers: readonly (readonly [string, string])[] = []): void {
    this.#end(200, { jsonrpc: '2.0', id, result }, headers)
  }

  /** @param status of HTTP, where no stream has begun */
  error(id: RequestId | undefined, status: number, body: JsonRpcErrorBody, headers: McpError['headers'] = []): void {
    this.#end(status, errorResponse(id, body), headers)
  }

  /** A message was taken, and nothing is to be said of it. */
  accepted(): void {
    if (this.#done) return
    this.#finish()
    if (this.#sink.gone) return
    if (!this.#streaming) this.#sink.head(202, this.#headers)
    this.#sink.end()
  }

  #end(status: number, message: JsonObject, headers: readonly (readonly [string, string])[]): void {
    if (this.#done) return
    this.#finish()
    if (this.#sink.gone) return
    const text = JSON.stringify(message)
    if (this.#streaming) {
      this.#sink.end(sse(text))
      return
    }
    this.#sink.head(status, [...this.#headers, ...headers, ['content-type', 'application/json']])
    this.#sink.end(text)
  }

  #finish(): void {
    this.#done = true
    clearInterval(this.#keepAlive)
  }

  #stream(): boolean {
    if (this.#streaming) return true
    if (this.#sink.gone) return false
    this.#streaming = true
    this.#sink.head(200, [
      ...this.#headers,
      ['content-type', 'text/event-stream'],
      ['cache-control', 'no-cache, no-transform'],
      ['x-accel-buffering', 'no'],
    ])
    return true
  }
}
