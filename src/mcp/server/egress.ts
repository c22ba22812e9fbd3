import { Agent, type Dispatcher } from 'undici'
import type { Upstream } from '../../protocol.ts'

/** An answer whose body has not been read. */
export interface EgressResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Dispatcher.ResponseData['body']
  /** What came after the body; empty before its end. */
  readonly trailers: Readonly<Record<string, string>>
}

/** The service's own calls: all of them go through Envoy, which does TLS, connections and addresses. */
export class Egress {
  readonly #agent: Agent
  readonly #clusterHeader: string

  /**
   * @param socket path of the unix socket of Envoy's listener for them
   * @param clusterHeader the header that names the cluster
   */
  constructor(socket: string, clusterHeader: string) {
    this.#clusterHeader = clusterHeader
    this.#agent = new Agent({
      connect: { socketPath: socket, timeout: 5_000 },
      // Streams may be silent; timeouts are the callers'.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 30_000,
      pipelining: 1,
      connections: null,
      maxHeaderSize: 128 * 1024,
    })
  }

  /**
   * @param path with the query
   * @throws {Error} where Envoy cannot be reached
   */
  async request(
    upstream: Upstream,
    method: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'PATCH' | 'HEAD' | 'OPTIONS',
    path: string,
    headers: Iterable<readonly [string, string]>,
    body: string | Uint8Array | null,
    signal: AbortSignal,
  ): Promise<EgressResponse> {
    const sent: string[] = ['host', authorityOf(upstream), this.#clusterHeader, upstream.id]
    for (const [name, value] of headers) sent.push(name, value)
    const {
      statusCode,
      headers: answered,
      body: stream,
      trailers,
    } = await this.#agent.request({
      origin: 'http://envoy',
      method,
      path,
      headers: sent,
      body,
      signal,
    })
    // What nobody reads any more may break without anybody being told.
    stream.on('error', () => undefined)
    return { status: statusCode, headers: answered, body: stream, trailers }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

/** What `Host` says to an upstream. */
export function authorityOf({ scheme, host, port }: Upstream): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`
}

/**
 * The whole of a body.
 * @throws {RangeError} where it is longer than `most` bytes
 */
export async function readAll(body: EgressResponse['body'], most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    length += piece.length
    if (length > most) {
      body.destroy()
      throw new RangeError(`the answer is longer than ${most} bytes`)
    }
    pieces.push(piece)
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}
