import type { ServerResponse } from 'node:http'
import type { JsonObject } from '../../json.ts'
import type { A2aError, RpcId } from '../errors.ts'
import type { A2aOperation, Wire } from '../operations.ts'
import { renderError, renderErrorEvent } from '../render-error.ts'
import { writeAnswer, writeEvent } from '../translate/answer.ts'
import { type Reply, written } from './reply.ts'

/** A line of a stream that says nothing, so that nobody between takes a silent one for dead. */
const keepAliveMs = 15_000

/** The answer to a client of JSON-RPC or HTTP+JSON: JSON, or a stream of server-sent events. */
export class JsonReply implements Reply {
  readonly #response: ServerResponse
  readonly #wire: Wire
  readonly #id: RpcId
  /** For the head, whichever it is. */
  readonly #headers: (readonly [string, string])[] = []
  #timer: NodeJS.Timeout | undefined
  #streams = false

  constructor(response: ServerResponse, wire: Wire, id: RpcId) {
    this.#response = response
    this.#wire = wire
    this.#id = id
  }

  headers(headers: Iterable<readonly [string, string]>): void {
    this.#headers.push(...headers)
  }

  result(operation: A2aOperation, value: JsonObject): void {
    const { status, headers, body } = writeAnswer(operation, value, this.#wire, this.#id)
    this.#send(status, headers, body)
  }

  async event(operation: A2aOperation, value: JsonObject): Promise<void> {
    const text = writeEvent(operation, value, this.#wire, this.#id)
    if (!this.#streams) this.#open()
    await written(this.#response, text)
  }

  end(): void {
    clearInterval(this.#timer)
    if (!this.#streams) this.#open()
    this.#response.end()
  }

  error(error: A2aError): void {
    clearInterval(this.#timer)
    if (this.#streams) {
      this.#response.end(renderErrorEvent(error, this.#wire, this.#id))
      return
    }
    const { status, headers, body } = renderError(error, this.#wire, this.#id)
    this.#send(status, headers, body)
  }

  #send(status: number, headers: Iterable<readonly [string, string]>, body: string): void {
    const all: string[] = []
    for (const [name, value] of [...headers, ...this.#headers]) all.push(name, value)
    if (status !== 204) all.push('content-length', String(Buffer.byteLength(body)))
    this.#response.writeHead(status, all).end(status === 204 ? undefined : body)
  }

  #open(): void {
    this.#streams = true
    const all = ['content-type', 'text/event-stream', 'cache-control', 'no-cache, no-transform']
    for (const [name, value] of this.#headers) all.push(name, value)
    this.#response.writeHead(200, all)
    this.#timer = setInterval(() => this.#response.write(':\n\n'), keepAliveMs)
    this.#timer.unref()
    this.#response.once('close', () => clearInterval(this.#timer))
  }
}
