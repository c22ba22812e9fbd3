import type { Upstream } from '../../protocol.ts'
import { SseParser } from '../../sse.ts'
import { ServerUnavailable } from '../errors.ts'
import { messageOf, readMessage } from '../message.ts'
import type { JsonRpcMessage } from '../protocol.ts'
import { type Egress, type EgressResponse, readAll } from './egress.ts'

/** The longest message of a server, bytes. */
export const longestMessage = 64 * 1024 * 1024

/** What a server answered to a message. */
export interface Posted {
  readonly status: number
  header(name: string): string | undefined
  /** One message, a stream of them, or nothing that is JSON-RPC. */
  readonly body:
    | { readonly type: 'message'; readonly message: JsonRpcMessage }
    | { readonly type: 'stream'; readonly events: EventStream }
    | { readonly type: 'none' }
}

/** A streamable HTTP endpoint of a server (2025-03-26 and later: Transports). */
export class HttpServer {
  /** The server's name in the rules. */
  readonly name: string
  readonly upstream: Upstream
  readonly #path: string
  readonly #egress: Egress

  constructor(name: string, upstream: Upstream, path: string, egress: Egress) {
    this.name = name
    this.upstream = upstream
    this.#path = path
    this.#egress = egress
  }

  /** @throws {ServerUnavailable} where it cannot be reached, or answers what is no HTTP of MCP */
  async post(message: object, headers: Iterable<readonly [string, string]>, signal: AbortSignal): Promise<Posted> {
    const response = await this.#send('POST', headers, JSON.stringify(message), signal)
    return { status: response.status, header: headerOf(response), body: await this.#bodyOf(response) }
  }

  /**
   * Opens the stream of what the server says by itself.
   * @returns undefined where it offers none (405)
   * @throws {ServerUnavailable}
   */
  async open(headers: Iterable<readonly [string, string]>, signal: AbortSignal): Promise<EventStream | number> {
    const response = await this.#send('GET', headers, null, signal)
    const type = headerOf(response)('content-type') ?? ''
    if (response.status === 200 && isEventStream(type)) return new EventStream(this.name, response.body)
    response.body.destroy()
    return response.status
  }

  /** Ends a session; whether the server cares is its own affair. */
  async delete(headers: Iterable<readonly [string, string]>, signal: AbortSignal): Promise<void> {
    const response = await this.#send('DELETE', headers, null, signal)
    response.body.destroy()
  }

  async #send(
    method: 'POST' | 'GET' | 'DELETE',
    headers: Iterable<readonly [string, string]>,
    body: string | null,
    signal: AbortSignal,
  ): Promise<EgressResponse> {
    const all: (readonly [string, string])[] = [
      ['accept', method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream'],
    ]
    if (body !== null) all.push(['content-type', 'application/json'])
    for (const header of headers) all.push(header)
    try {
      return await this.#egress.request(this.upstream, method, this.#path, all, body, signal)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw new ServerUnavailable(this.name, `The MCP server ${this.name} cannot be reached.`, error)
    }
  }

  async #bodyOf(response: EgressResponse): Promise<Posted['body']> {
    const type = headerOf(response)('content-type') ?? ''
    if (isEventStream(type) && response.status === 200)
      return { type: 'stream', events: new EventStream(this.name, response.body) }
    let bytes: Uint8Array
    try {
      bytes = await readAll(response.body, longestMessage)
    } catch (error) {
      throw new ServerUnavailable(
        this.name,
        `The answer of the MCP server ${this.name} broke off or is too long.`,
        error,
      )
    }
    // An error may come as text/plain from a proxy, and as JSON-RPC with any type.
    if (bytes.length === 0 || !/json/i.test(type)) return { type: 'none' }
    try {
      return { type: 'message', message: readMessage(bytes) }
    } catch (error) {
      if (response.status >= 400) return { type: 'none' }
      throw new ServerUnavailable(this.name, `The MCP server ${this.name} answered with what is no JSON-RPC.`, error)
    }
  }
}

function headerOf({ headers }: EgressResponse): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name]
    return Array.isArray(value) ? value[0] : value
  }
}

const isEventStream = (type: string) => /^text\/event-stream\b/i.test(type)

/** The messages of an SSE stream, as they come. */
export class EventStream implements AsyncIterable<JsonRpcMessage> {
  readonly #server: string
  readonly #body: EgressResponse['body']
  readonly #parser = new SseParser()

  constructor(server: string, body: EgressResponse['body']) {
    this.#server = server
    this.#body = body
  }

  /** Where to go on after a break (Last-Event-ID); undefined: the server does not say. */
  get lastEventId(): string | undefined {
    return this.#parser.lastEventId
  }

  get retryMs(): number | undefined {
    return this.#parser.retryMs
  }

  /** @throws {ServerUnavailable} where it breaks or is no JSON-RPC */
  async *[Symbol.asyncIterator](): AsyncIterator<JsonRpcMessage> {
    try {
      for await (const chunk of this.#body as AsyncIterable<Uint8Array>)
        for (const { data, event } of this.#parser.push(chunk)) if (data !== '') yield this.#read(data, event)
      for (const { data, event } of this.#parser.end()) if (data !== '') yield this.#read(data, event)
    } catch (error) {
      if (error instanceof ServerUnavailable) throw error
      throw new ServerUnavailable(this.#server, `The stream of the MCP server ${this.#server} broke off.`, error)
    } finally {
      this.#body.destroy()
    }
  }

  #read(data: string, _event: string): JsonRpcMessage {
    let value: unknown
    try {
      value = JSON.parse(data)
    } catch (error) {
      throw new ServerUnavailable(this.#server, `The MCP server ${this.#server} sent what is no JSON.`, error)
    }
    const message = messageOf(value)
    if (typeof message === 'string')
      throw new ServerUnavailable(this.#server, `The MCP server ${this.#server} sent what is no JSON-RPC.`)
    return message
  }

  /** Lets go of it. */
  close(): void {
    this.#body.destroy()
  }
}
