import type { ServerResponse } from 'node:http'
import { sse } from '../../sse.ts'
import { errorResponse, type McpError } from '../errors.ts'
import type { JsonObject, JsonRpcErrorBody, RequestId } from '../protocol.ts'

/**
 * The answer to one request: a JSON object where nothing comes before it, else a stream of server-sent events that ends
 * with it (Streamable HTTP, Sending Messages).
 */
export class Reply {
  readonly #response: ServerResponse
  readonly #mayStream: boolean
  readonly #keepAlive: NodeJS.Timeout
  readonly #headers: readonly (readonly [string, string])[]
  #streaming = false
  #done = false

  /**
   * @param mayStream whether the client takes text/event-stream
   * @param keepAliveMs the longest silence before a comment is sent
   */
  constructor(
    response: ServerResponse,
    mayStream: boolean,
    keepAliveMs: number,
    headers: readonly (readonly [string, string])[] = [],
  ) {
    this.#response = response
    this.#mayStream = mayStream
    this.#headers = headers
    this.#keepAlive = setInterval(() => {
      if (this.#mayStream && this.#stream()) response.write(': \n\n')
    }, keepAliveMs)
    this.#keepAlive.unref()
    response.on('close', () => clearInterval(this.#keepAlive))
  }

  /** Whether the client can be told anything before the answer. */
  get open(): boolean {
    return this.#mayStream && !this.#done && !this.#response.destroyed
  }

  /** Something that comes before the answer; lost where the client takes no stream. */
  message(message: JsonObject): void {
    if (this.open && this.#stream()) this.#response.write(sse(JSON.stringify(message)))
  }

  notify(method: string, params: JsonObject): void {
    this.message({ jsonrpc: '2.0', method, params })
  }

  /** Begins the stream now: the client must be able to see that it is open. */
  begin(): void {
    if (this.open) this.#stream()
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
    this.#finish()
    if (this.#streaming || this.#response.destroyed) {
      this.#response.end()
      return
    }
    for (const [name, value] of this.#headers) this.#response.setHeader(name, value)
    this.#response.writeHead(202).end()
  }

  #end(status: number, message: JsonObject, headers: readonly (readonly [string, string])[]): void {
    if (this.#done) return
    this.#finish()
    if (this.#response.destroyed) return
    if (this.#streaming) {
      this.#response.end(sse(JSON.stringify(message)))
      return
    }
    const body = Buffer.from(JSON.stringify(message))
    for (const [name, value] of [...this.#headers, ...headers]) this.#response.setHeader(name, value)
    this.#response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
  }

  #finish(): void {
    this.#done = true
    clearInterval(this.#keepAlive)
  }

  #stream(): boolean {
    if (this.#streaming) return true
    if (this.#response.destroyed) return false
    this.#streaming = true
    for (const [name, value] of this.#headers) this.#response.setHeader(name, value)
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    this.#response.flushHeaders()
    return true
  }
}
