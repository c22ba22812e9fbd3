import type { LookupFunction } from 'node:net'
import { Agent, request } from 'undici'
import { isObject, type JsonObject, parseObject } from '../../json.ts'
import { lookupWithin, type Reach, UnreachableUrl, type Zone } from './reach.ts'

/** What is asked of an authorization server, or of a server about its authorization. */
export interface OAuthRequest {
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The body of the answer is of no interest: it may be a stream without an end. */
  readonly headOnly?: boolean
}

/** An answer whose body has not been read. */
export interface RawResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown }
}

/** How requests get out. It must follow no redirects, and connect only to what `zones` allows. */
export type Send = (
  url: URL,
  request: OAuthRequest & { readonly signal: AbortSignal; readonly zones: ReadonlySet<Zone> },
) => Promise<RawResponse>

export interface OAuthResponse {
  readonly status: number
  header(name: string): string | undefined
  /** Undefined where the body is no JSON object. */
  readonly json: JsonObject | undefined
}

/** No usable answer. The message is for callers and logs: it names a host, and nothing that was sent or answered. */
export class OAuthUnavailable extends Error {
  override readonly name = 'OAuthUnavailable'
}

export interface OAuthHttpOptions {
  readonly send?: Send | undefined
  /** For a request with its answer, ms. */
  readonly timeoutMs?: number | undefined
  /** Of an answer, bytes. */
  readonly longest?: number | undefined
}

/** Requests of the OAuth kind: bounded in time and size, without redirects, and only to where they may go. */
export class OAuthHttp {
  readonly #send: Send
  readonly #timeoutMs: number
  readonly #longest: number
  readonly #agents = new Map<string, Agent>()

  constructor({ send, timeoutMs = 10_000, longest = 256 * 1024 }: OAuthHttpOptions = {}) {
    this.#send = send ?? ((url, init) => this.#direct(url, init))
    this.#timeoutMs = timeoutMs
    this.#longest = longest
  }

  /**
   * @param reach where it may go
   * @throws {UnreachableUrl} where the URL must not be asked
   * @throws {OAuthUnavailable} where there is no answer in time, it is too long, or it leads elsewhere
   */
  async request(reach: Reach, url: string, init: OAuthRequest): Promise<OAuthResponse> {
    const target = reach.check(url)
    const signal = AbortSignal.timeout(this.#timeoutMs)
    let status: number
    let headers: RawResponse['headers']
    let bytes: Uint8Array
    try {
      const response = await this.#send(target, { ...init, signal, zones: reach.zones(target.hostname) })
      status = response.status
      headers = response.headers
      if (init.headOnly) response.body.destroy()
      bytes = init.headOnly ? Buffer.alloc(0) : await this.#read(response.body)
    } catch (error) {
      if (error instanceof UnreachableUrl || error instanceof OAuthUnavailable) throw error
      const why = signal.aborted ? 'does not answer in time' : 'cannot be reached'
      throw new OAuthUnavailable(`${target.host} ${why}`, { cause: error })
    }
    // It could lead to where nobody may be led; and what was sent is for this host alone.
    if (status >= 300 && status < 400) throw new OAuthUnavailable(`${target.host} answers with a redirect`)
    const header = (name: string) => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
    return { status, header, json: parseObject(bytes) }
  }

  async #read(body: RawResponse['body']): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let length = 0
    for await (const piece of body) {
      length += piece.length
      if (length > this.#longest) {
        body.destroy()
        throw new OAuthUnavailable(`an answer is longer than ${this.#longest} bytes`)
      }
      pieces.push(piece)
    }
    return Buffer.concat(pieces)
  }

  async #direct(url: URL, { method, headers, body, signal, zones }: Parameters<Send>[1]): Promise<RawResponse> {
    const answer = await request(url, {
      method,
      headers: { accept: 'application/json', 'user-agent': 'chaperone', ...headers },
      body: body ?? null,
      signal,
      dispatcher: this.#agent(zones),
    })
    answer.body.on('error', () => undefined)
    return { status: answer.statusCode, headers: answer.headers, body: answer.body }
  }

  /** Connections of one kind of reach are not used for another. */
  #agent(zones: ReadonlySet<Zone>): Agent {
    const key = [...zones].join()
    let agent = this.#agents.get(key)
    if (!agent) {
      const lookup: LookupFunction = lookupWithin(zones)
      agent = new Agent({
        connect: { lookup, timeout: this.#timeoutMs },
        connections: 16,
        pipelining: 1,
        keepAliveTimeout: 10_000,
        maxHeaderSize: 32 * 1024,
        headersTimeout: this.#timeoutMs,
        bodyTimeout: this.#timeoutMs,
      })
      this.#agents.set(key, agent)
    }
    return agent
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()))
  }
}

/** A text of JSON that was sent from outside. @returns undefined where it is no text of 1 to `most` characters */
export function textIn(json: JsonObject | undefined, name: string, most = 2048): string | undefined {
  const value = json?.[name]
  return typeof value === 'string' && value.length > 0 && value.length <= most ? value : undefined
}

/** The texts of an array; what else is in it is left out. @returns undefined where it is no array */
export function textsIn(json: JsonObject | undefined, name: string, most = 200): string[] | undefined {
  const value = json?.[name]
  if (!Array.isArray(value)) return undefined
  return value
    .slice(0, most)
    .filter((text): text is string => typeof text === 'string' && text.length > 0 && text.length <= 2048)
}

/** An object within JSON. */
export function objectIn(json: JsonObject | undefined, name: string): JsonObject | undefined {
  const value = json?.[name]
  return isObject(value) ? value : undefined
}
