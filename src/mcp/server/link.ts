import type { Era, JsonObject } from '../protocol.ts'
import type { Carrier } from './carrier.ts'
import type { Resumable } from './position.ts'

/** What a server says of itself: InitializeResult up to 2025-11-25, DiscoverResult from 2026-07-28 on. */
export interface ServerInfo {
  readonly era: Era
  /** The revision that is spoken with it. */
  readonly version: string
  readonly capabilities: JsonObject
  readonly serverInfo?: JsonObject | undefined
  readonly instructions?: string | undefined
}

/** Whom a call is made for, as far as the server may know. */
export interface ClientSide {
  readonly capabilities: JsonObject
  /** What it can towards servers of the new era, where that is something else. */
  readonly modernCapabilities?: JsonObject | undefined
  readonly clientInfo: JsonObject
  /** Credentials that stand in the query. */
  readonly query?: readonly (readonly [name: string, value: string])[] | undefined
  /** Credentials and the trace context towards this server. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** What may come from a server while it works on a request. */
export interface CallHooks {
  /** A notification that belongs to the request: progress, with the client's own token, or a log message. */
  notified(method: string, params: JsonObject): void
  /** Until when the server is not read on: the client has not taken yet what waits for it. Undefined: there is room. */
  room?(): Promise<void> | undefined
  /**
   * A request of the server's own: sampling, elicitation, roots.
   * @returns the client's result
   * @throws {ServerError} the client's error
   */
  asked(method: string, params: JsonObject): Promise<JsonObject>
  /**
   * Whether the client itself takes an InputRequiredResult (2026-07-28, multi round-trip requests): then it gets it as it is,
   * and comes again. Otherwise `asked` is called for each of its requests.
   */
  readonly takesInputRequired: boolean
  /** The least severe log messages that are wanted; undefined: none (2026-07-28, Logging). */
  readonly logLevel?: string | undefined
  readonly signal: AbortSignal
  /** Who waits for the rest of the server's stream where it or the client's ends early. */
  readonly resumable?: Resumable | undefined
  /** Can bring the request straight to the server. */
  readonly carrier?: Carrier | undefined
}

/** What a client wants to hear of, outside of its requests. */
export interface Interest {
  readonly tools: boolean
  readonly prompts: boolean
  readonly resources: boolean
  /** URIs, as the server knows them. */
  readonly uris: readonly string[]
  /** Tasks of servers of the new era, with the ids that the client has of them. */
  readonly tasks?: readonly ListenedTask[] | undefined
}

export interface ListenedTask {
  readonly server: string
  /** The server's own. */
  readonly id: string
  readonly outward: string
}

export interface Listener {
  /** list_changed, resources/updated, and log messages that belong to no request. */
  notified(method: string, params: JsonObject): void
  /** A request of a server up to 2025-11-25 that belongs to none of the client's. */
  asked(method: string, params: JsonObject): Promise<JsonObject>
  readonly signal: AbortSignal
}

/** One who listens on one link. */
export interface ListenHooks extends Listener {
  /** The link is over, and does not come back by itself: the session, or the process. Told at most once. */
  lost(): void
}

/** A conversation with one server for one client: the server's side of the gateway. */
export interface Link {
  readonly info: ServerInfo
  /**
   * @param params without the `_meta` that the era demands
   * @returns the result, of the era's form
   * @throws {ServerError} what the server answered
   * @throws {ServerUnavailable} where it did not
   */
  request(method: string, params: JsonObject, hooks: CallHooks): Promise<JsonObject>
  /** @throws {ServerUnavailable} */
  notify(method: string, params: JsonObject): Promise<void>
  /**
   * Hears what the server says by itself until the signal ends it. Comes back to the server where the stream breaks.
   * @param interest what of it, at the time it is asked
   * @returns when it listens; a server that has nothing to say is no failure
   * @throws {SessionLost} where the server does not know the session any more
   * @throws {ServerError | ServerUnavailable}
   */
  listen(interest: () => Interest, hooks: ListenHooks): Promise<void>
}
