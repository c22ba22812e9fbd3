import type { Upstream } from '../../protocol.ts'
import { SseParser } from '../../sse.ts'
import { CredentialsRefused, ServerUnavailable } from '../errors.ts'
import { messageOf, readMessage } from '../message.ts'
import type { JsonRpcMessage } from '../protocol.ts'
import type { Body, CarriedResponse, Carrier } from './carrier.ts'
import { authorityOf, type Egress } from './egress.ts'

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
    | {
        readonly type: 'none'
        /** The first of what it is instead. */
        readonly text: string
      }
}

/** As of Envoy's listener for the service's calls: the replica that a call went to or is to go to, its address in base64. */
export const replicaHeader = 'x-chaperone-host'

function destinationOf(headers: readonly (readonly [string, string])[]): string {
  const replica = headers.find(([name]) => name === replicaHeader)?.[1]
  return replica === undefined ? '' : Buffer.from(replica, 'base64').toString('latin1')
}

/** How Envoy brings clients' own calls to a server: the ids of its pool and of its route class. */
export interface DirectWay {
  readonly pool: string
  readonly routeClass: string
}

/** A streamable HTTP endpoint of a server (2025-03-26 and later: Transports). */
export class HttpServer {
  /** The server's name in the rules. */
  readonly name: string
  readonly upstream: Upstream
  /** Replicas that may be gone, each until when it is not trusted (performance.now()). */
  readonly suspects = new Map<string, number>()
  /** It has ended a stream before its answer, and went on where it was asked again. */
  resumes = false
  readonly #path: string
  readonly #egress: Egress
  readonly #direct: DirectWay

  constructor(name: string, upstream: Upstream, path: string, egress: Egress, direct: DirectWay) {
    this.name = name
    this.upstream = upstream
    this.#path = path
    this.#egress = egress
    this.#direct = direct
  }

  /**
   * @param carrier takes the message if it can
   * @throws {ServerUnavailable} where it cannot be reached, or answers what is no HTTP of MCP
   */
  async post(
    message: object,
    headers: Iterable<readonly [string, string]>,
    signal: AbortSignal,
    carrier?: Carrier,
  ): Promise<Posted> {
    const response = await this.#send('POST', headers, JSON.stringify(message), signal, carrier)
    const { status } = response
    const challenge = headerOf(response)('www-authenticate')
    // A 403 without a challenge is about something else than scopes.
    if (status === 401 || (status === 403 && challenge !== undefined)) {
      response.body.destroy()
      const shown = [...headers].filter(([name]) => name === 'authorization')
      throw new CredentialsRefused(this.name, status, challenge, shown)
    }
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
    carrier?: Carrier,
  ): Promise<CarriedResponse> {
    const all: (readonly [string, string])[] = [
      ['accept', method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream'],
    ]
    if (body !== null) all.push(['content-type', 'application/json'])
    for (const header of headers) all.push(header)
    try {
      const carried: Promise<CarriedResponse> | undefined =
        body === null
          ? undefined
          : carrier?.take({
              ...this.#direct,
              upstream: this.upstream.id,
              authority: authorityOf(this.upstream),
              path: this.#path,
              destination: destinationOf(all),
              headers: all.filter(([name]) => name !== replicaHeader),
              body,
              signal,
            })
      if (carried !== undefined) return await carried
      return await this.#egress.request(this.upstream, method, this.#path, all, body, signal)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw new ServerUnavailable(this.name, `The MCP server ${this.name} cannot be reached.`, error)
    }
  }

  async #bodyOf(response: CarriedResponse): Promise<Posted['body']> {
    const type = headerOf(response)('content-type') ?? ''
    if (isEventStream(type) && response.status === 200)
      return { type: 'stream', events: new EventStream(this.name, response.body) }
    let bytes: Uint8Array
    try {
      const read = await wholeOrLines(response.body)
      if (!(read instanceof Uint8Array)) return { type: 'stream', events: new EventStream(this.name, read, true) }
      bytes = read
    } catch (error) {
      throw new ServerUnavailable(
        this.name,
        `The answer of the MCP server ${this.name} broke off or is too long.`,
        error,
      )
    }
    // An error may come as text/plain from a proxy, and as JSON-RPC with any type.
    const none = () => ({ type: 'none', text: Buffer.from(bytes.subarray(0, 200)).toString('utf8') }) as const
    if (bytes.length === 0 || !/json/i.test(type)) return none()
    try {
      return { type: 'message', message: readMessage(bytes) }
    } catch (error) {
      if (response.status >= 400) return none()
      throw new ServerUnavailable(this.name, `The MCP server ${this.name} answered with what is no JSON-RPC.`, error)
    }
  }
}

function headerOf({ headers }: CarriedResponse): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name]
    return Array.isArray(value) ? value[0] : value
  }
}

const isEventStream = (type: string) => /^text\/event-stream\b/i.test(type)

/**
 * Reads a body of the type application/json. It is one message; but there are servers that stream under this type, a
 * message a line, and a stream must not be waited for to its end.
 * @returns the whole body, or its pieces where its first line is a notification
 * @throws {RangeError} where it is too long
 */
async function wholeOrLines(body: Body): Promise<Uint8Array | Body> {
  const pieces: Uint8Array[] = []
  let length = 0
  let looked = false
  const chunks = body[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await chunks.next()
    if (done) return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    pieces.push(value)
    length += value.length
    if (length > longestMessage) {
      body.destroy()
      throw new RangeError(`the answer is longer than ${longestMessage} bytes`)
    }
    if (looked || !value.includes(10)) continue
    looked = true
    const begun = Buffer.concat(pieces)
    if (!isNotification(begun.toString('utf8', 0, begun.indexOf(10)))) continue
    return {
      destroy: () => body.destroy(),
      async *[Symbol.asyncIterator]() {
        yield begun
        for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
      },
    }
  }
}

function isNotification(line: string): boolean {
  try {
    const message = messageOf(JSON.parse(line))
    return typeof message !== 'string' && 'method' in message && !('id' in message)
  } catch {
    return false
  }
}

/** Lines of JSON in the place of server-sent events. */
class LineParser {
  readonly retryMs: number | undefined = undefined
  readonly #decoder = new TextDecoder()
  #rest = ''

  push(chunk: Uint8Array): { data: string; id?: string }[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#rest = lines.pop()!
    if (this.#rest.length > longestMessage) throw new RangeError('a line is longer than the limit')
    return lines.map((data) => ({ data: data.trim() }))
  }

  end(): { data: string; id?: string }[] {
    return [{ data: (this.#rest + this.#decoder.decode()).trim() }]
  }
}

/** The messages of a stream, as they come. */
export class EventStream implements AsyncIterable<JsonRpcMessage> {
  readonly #server: string
  readonly #body: Body
  readonly #parser: SseParser | LineParser
  #lastEventId: string | undefined
  /** Called with the id of each event that has one, before its message comes. */
  onPosition: (eventId: string) => void = () => undefined

  /** @param lines whether it is lines of JSON and not server-sent events */
  constructor(server: string, body: Body, lines = false) {
    this.#server = server
    this.#body = body
    this.#parser = lines ? new LineParser() : new SseParser(true)
  }

  /** Where to go on after a break (Last-Event-ID); undefined: the server does not say. */
  get lastEventId(): string | undefined {
    return this.#lastEventId
  }

  get retryMs(): number | undefined {
    return this.#parser.retryMs
  }

  /** @throws {ServerUnavailable} where it breaks or is no JSON-RPC */
  async *[Symbol.asyncIterator](): AsyncIterator<JsonRpcMessage> {
    try {
      for await (const chunk of this.#body) for (const event of this.#parser.push(chunk)) yield* this.#messagesOf(event)
      for (const event of this.#parser.end()) yield* this.#messagesOf(event)
    } catch (error) {
      if (error instanceof ServerUnavailable) throw error
      throw new ServerUnavailable(this.#server, `The stream of the MCP server ${this.#server} broke off.`, error)
    } finally {
      this.#body.destroy()
    }
  }

  *#messagesOf({ data, id }: { readonly data: string; readonly id?: string }): Iterable<JsonRpcMessage> {
    // An empty id means that there is none (WHATWG HTML, Interpreting an event stream).
    if (id !== undefined && id !== '' && id !== this.#lastEventId) {
      this.#lastEventId = id
      this.onPosition(id)
    }
    if (data !== '') yield this.#read(data)
  }

  #read(data: string): JsonRpcMessage {
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
