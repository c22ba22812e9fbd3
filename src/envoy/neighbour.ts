import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import type { GrpcCall, GrpcReceiver } from './h2/server.ts'
import { responderSocket } from './names.ts'

/** The method by which a neighbour is asked to do what Envoy asked of this process. It asks nobody else. */
export const relayMethod = '/chaperone.Relay/Process'
/** On requests that a neighbour brings. */
export const relayedHeader = 'x-chaperone-relayed'

const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const read = (bytes: Buffer): Buffer => bytes

/**
 * The other process while one takes another's place. A request that one has decided about may come to the other for its second
 * stage, or for its answer: Envoy opens a new connection, or still has an old one. Then it is passed on, as it is.
 */
export class Neighbour {
  readonly #client: Client
  readonly #responder: string

  /** @param socket the path that is the other process's own */
  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_http_proxy': 0,
    })
    this.#responder = responderSocket(socket)
  }

  /**
   * Passes a stage-2 call on.
   * @param call what Envoy has opened here
   * @param refuse answers the call where the other is gone before it has said anything
   */
  process(call: GrpcCall, refuse: () => void): GrpcReceiver {
    const other: ClientDuplexStream<Uint8Array, Uint8Array> = this.#client.makeBidiStreamRequest(
      relayMethod,
      asIs,
      read,
    )
    let answered = false
    other.on('data', (bytes: Buffer) => {
      answered = true
      call.write(bytes)
    })
    other.on('end', () => {
      if (answered) call.end()
      else refuse()
    })
    other.on('error', () => {
      if (answered) call.fail(14, 'the process that decided is gone')
      else refuse()
    })
    return {
      message: (bytes) => void other.write(Uint8Array.from(bytes)),
      end: () => other.end(),
      closed: () => other.cancel(),
    }
  }

  /** Passes a request to the other process's HTTP server on, and its answer back. */
  respond(incoming: IncomingMessage, response: ServerResponse, refuse: () => void): void {
    const { method, url, rawHeaders } = incoming
    const headers = [...rawHeaders, relayedHeader, 'true']
    const outgoing = request({ socketPath: this.#responder, agent: false, method, path: url, headers, setHost: false })
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      response.flushHeaders()
      answer.pipe(response)
      answer.on('error', () => response.destroy())
      answer.on('aborted', () => response.destroy())
    })
    outgoing.on('error', () => {
      if (response.headersSent) response.destroy()
      else refuse()
    })
    response.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  }

  close(): void {
    this.#client.close()
  }
}
