import type { Era } from '../protocol.ts'

/** A response's body as it comes. */
export type Body = AsyncIterable<Uint8Array> & { destroy(): unknown }

/** What a server answered over HTTP; its body has not been read. */
export interface CarriedResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Body
}

/** A POST to a server. */
export interface CarriedRequest {
  /** The upstream, pool and route class by which Envoy knows the server. */
  readonly upstream: string
  readonly pool: string
  readonly routeClass: string
  /** The replica that it is for, `IP:port`; empty: any. */
  readonly destination: string
  readonly authority: string
  /** With the query. */
  readonly path: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly signal: AbortSignal
}

/** The connection could not be made, or broke before an answer: nobody can tell whether the server saw the request. */
export class ConnectionFailed extends Error {
  override readonly name = 'ConnectionFailed'

  constructor() {
    super('the connection failed or broke off')
  }
}

/**
 * The client's own request on its way through Envoy: it can carry one call straight to one server, and the answer straight
 * back, instead of a request of the gateway's own.
 */
export interface Carrier {
  /** The client's: a server of the other one is spoken to in more than one request. */
  readonly era: Era
  /** @returns undefined where it has left already, or cannot wait any longer */
  take(request: CarriedRequest): Promise<CarriedResponse> | undefined
}
