import type { ServerResponse } from 'node:http'
import type { JsonObject } from '../../json.ts'
import type { A2aError } from '../errors.ts'
import type { A2aOperation, Wire } from '../operations.ts'
import { grpcTrailers, renderError } from '../render-error.ts'
import { writeMessage } from '../translate/wire.ts'
import { type Reply, written } from './reply.ts'

/**
 * The answer to a client of gRPC: messages, and a status behind them as trailers, which Envoy makes HTTP/2's of. An error
 * before the first message is headers alone.
 */
export class GrpcReply implements Reply {
  readonly #response: ServerResponse
  readonly #wire: Wire
  readonly #headers: (readonly [string, string])[] = []
  #begun = false

  constructor(response: ServerResponse, wire: Wire) {
    this.#response = response
    this.#wire = wire
  }

  headers(headers: Iterable<readonly [string, string]>): void {
    this.#headers.push(...headers)
  }

  result(operation: A2aOperation, value: JsonObject): void {
    const message = writeMessage(operation, value, this.#wire)
    this.#begin()
    this.#response.write(message)
    this.end()
  }

  async event(operation: A2aOperation, value: JsonObject): Promise<void> {
    const message = writeMessage(operation, value, this.#wire)
    this.#begin()
    await written(this.#response, message)
  }

  end(): void {
    this.#begin()
    this.#finish([['grpc-status', '0']])
  }

  error(error: A2aError): void {
    if (this.#begun) {
      this.#finish(grpcTrailers(error))
      return
    }
    const { status, headers } = renderError(error, this.#wire)
    this.#response.writeHead(status, flat([...headers, ...this.#headers, ['content-length', '0']])).end()
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#response.writeHead(200, flat([['content-type', 'application/grpc'], ...this.#headers]))
  }

  #finish(trailers: [string, string][]): void {
    this.#response.addTrailers(trailers)
    this.#response.end()
  }
}

function flat(headers: readonly (readonly [string, string])[]): string[] {
  return headers.flatMap((pair) => [...pair])
}
