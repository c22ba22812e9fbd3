import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * What every protocol (LLM, MCP, A2A, HTTP) looks like to the part that speaks with Envoy. A protocol decides once a
 * request and transforms once an attempt; it knows nothing of ext_authz and ext_proc, and they know nothing of it.
 */

/** A request as stage 1 sees it: whole, before any upstream is chosen. */
export interface AgentRequest {
  /** Unique among live requests; what the client sees as `x-request-id`. */
  readonly id: string
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Lower-case names; only those in `decideHeaders`, and those that begin like `decideHeaderPrefixes`. */
  readonly headers: ReadonlyMap<string, string>
  /** The TCP port that took the connection: it tells the listener. 0: not known. */
  readonly port: number
  /** The route of plain HTTP that took it, by its name in the rules. */
  readonly route?: string | undefined
  /** Where the client sees what `path` is below: the route of the rules put it there. `path` is as the service calls it. */
  readonly mount?: { readonly outer: string; readonly inner: string } | undefined
  /** The models that there are for this request; absent: all. */
  readonly models?: ReadonlySet<string> | undefined
  /** The listener that caught it on its way to somewhere else, by its name in the rules. */
  readonly egress?: string | undefined
  readonly body: Uint8Array
  /** performance.now() at arrival. */
  readonly arrived: number
}

/**
 * Stage 1's answer: an answer of our own, a plan, an answer that takes time or is a stream, which the service gives itself
 * behind Envoy (the *responder*), or leave to go where Envoy's own route leads. `path` is the gateway's own path of a call that was
 * asked for by another.
 */
export type Decision =
  | { type: 'answer'; answer: LocalAnswer }
  | { type: 'plan'; plan: Plan; path?: string | undefined }
  | { type: 'respond'; respond: Responder; path?: string | undefined }
  | { type: 'pass'; set: [name: string, value: string][]; remove: readonly string[] }

/**
 * Answers a request that Envoy brings to the service itself. What stage 1 saw of it need not be read again; its body is
 * discarded where nobody reads it. Rejections become a 500 and a report.
 */
export type Responder = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** An answer that no upstream gives: a refusal, or something small that the service knows itself. */
export interface LocalAnswer {
  status: number
  headers: [name: string, value: string][]
  body: string
}

/** Everything stage 2 needs of an allowed request, from stage 1 to its settlement. */
export interface Plan {
  readonly id: string
  /** The id of the pool to route to. */
  readonly pool: string
  /** The id of the route class to take. */
  readonly routeClass: string
  /** The replica to go to, `IP:port`, empty for any; absent: the pool's upstreams have none. */
  readonly destination?: string
  /**
   * Begins an attempt.
   * @param upstream the id of the upstream that Envoy picked
   * @param headers of the request as Envoy is about to send it, as far as the pool shows them; its `traceparent` is the context
   *   of Envoy's own span, where Envoy traces
   * @throws {Error} where the plan has no such upstream
   */
  attempt(upstream: string, headers: ReadonlyMap<string, string>): Exchange
  /** Every attempt has failed. @returns what the client gets */
  exhausted(): LocalAnswer | Promise<LocalAnswer>
  /** When it has to be over, performance.now(); absent: whenever it is. */
  readonly endsAt?: number | undefined
  /**
   * It is not over by then.
   * @returns what the client gets; undefined: an answer has begun to go to it, and its next piece says so. It is cut off soon then.
   */
  expired?(): LocalAnswer | undefined
  /** No attempt is under way and none will follow: settle what is not settled. Idempotent. */
  close(): void
}

/** One attempt. The methods are called in this order, `closed` always last and exactly once. */
export interface Exchange {
  /** How the request is to look for this upstream. A rejected promise fails the request. */
  request(): RequestTransform | Promise<RequestTransform>
  /**
   * The upstream's response headers.
   * @returns how they are to look; undefined: they are held back until `data` says it, so that what the body says
   *   can still change them
   */
  head(status: number, headers: ReadonlyMap<string, string>): ResponseTransform | undefined
  /**
   * A piece of the response body. Not called again before a promise of the call before is settled.
   * @param last whether the body ends with it (it may be empty then)
   * @returns undefined: the piece is held back with the head. Only while the head is; a quarter of a MiB at most,
   *   or Envoy stops reading.
   */
  data(chunk: Uint8Array, last: boolean): Piece | undefined | Promise<Piece | undefined>
  /**
   * The attempt is over.
   * @param complete whether the response was seen to its end; false: reset, timed out, or the client went away
   */
  closed(complete: boolean): void
  /** Whether a further attempt may follow this one's failure. Asked after `closed`. */
  readonly retriable: boolean
}

export type RequestTransform =
  | {
      type: 'forward'
      /** Headers to set, pseudo-headers among them. */
      set: [name: string, value: string][]
      /** Headers to take off before `set` is done. */
      remove: readonly string[]
      /** A new body; absent: the client's own. */
      body?: Uint8Array
    }
  | { type: 'answer'; answer: LocalAnswer }

export interface ResponseTransform {
  /** Headers to set, `:status` among them. */
  set: [name: string, value: string][]
  remove: readonly string[]
}

/** What becomes of a piece of the response body. */
export interface Piece {
  /** The head that was held back. */
  head?: ResponseTransform
  /** What becomes of the pieces that were held back before this one. Given with `head`. */
  held?: 'keep' | 'drop'
  /** What to send in the piece's place, empty for nothing; absent: the piece as it is. */
  body?: Uint8Array
}

/** A protocol under one set of rules. */
export interface Protocol {
  /** Throws nothing that a client could cause: what is wrong with a request is an answer. */
  decide(request: AgentRequest): Decision | Promise<Decision>
}

/**
 * One address that attempts go to. Its id covers all that is here, so that a changed address is another upstream:
 * a plan made for the old one can never have its credentials sent to the new one.
 */
export interface Upstream {
  readonly id: string
  readonly scheme: 'http' | 'https'
  /** A name or an IP address. */
  readonly host: string
  readonly port: number
  readonly connectTimeoutMs: number
  /** TLS name to ask for and verify; the host where absent. */
  readonly serverName?: string | undefined
  /** PEM file of the authorities to trust; the system's where absent. */
  readonly caFile?: string | undefined
  /** Speaks HTTP/2 without TLS, and says so nowhere. With TLS the two sides agree on the version. */
  readonly http2?: true | undefined
  /** Each address is a host of its own, so that a session can go back to its own: those the name has, or these where there are any. */
  readonly replicas?: readonly { readonly host: string; readonly port: number }[] | undefined
}

/** Upstreams in the order in which one request's attempts go through them. */
export interface Pool {
  readonly id: string
  /** Upstream ids. */
  readonly upstreams: readonly string[]
  /** Whether attempts see all headers of requests and responses, or only those that every protocol needs. */
  readonly allHeaders?: boolean
}

/** What plans of one kind share: how long they may take and how many upstreams Envoy may try. */
export interface RouteClass {
  readonly id: string
  /** Longest silence of one attempt, ms. */
  readonly firstByteMs: number
  /** Longest duration of the whole request, ms. */
  readonly totalMs: number
  /** The most upstreams a request may try. */
  readonly attempts: number
  /** Whether the next upstream is tried only where this one did not answer at all: what it answers is the answer, whatever its status. */
  readonly onlyUnanswered?: boolean
}

/** What Envoy must know before plans of some rules may be made. */
export interface Topology {
  /** Addresses that attempts, or the service's own calls, go to. */
  readonly upstreams: readonly Upstream[]
  readonly pools: readonly Pool[]
  readonly routeClasses: readonly RouteClass[]
  /** Whether the service answers requests itself and makes calls of its own. */
  readonly responds?: boolean
  /** Places (`host:port`) that caught requests of these protocols go to without TLS. */
  readonly plain?: readonly string[]
}

/**
 * The longest answer that goes to a client, bytes; a longer one is cut. Envoy is configured to hold this much, because it
 * must never hold an answer's source back: see ARCHITECTURE.md, "Facts about Envoy".
 */
export const longestAnswer = 256 * 1024 * 1024
