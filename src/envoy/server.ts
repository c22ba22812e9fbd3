import type { Protocol } from '../protocol.ts'
import { check, DecisionError } from './authz.ts'
import { ProcessingStream } from './extproc.ts'
import { GrpcJsServer } from './grpc-js.ts'
import { type GrpcServerOptions, GrpcSocketServer, type Method } from './h2/server.ts'
import { responderSocket } from './names.ts'
import type { PlanStore } from './plans.ts'
import { ResponderServer } from './responder.ts'
import { decodeCheckRequest } from './wire/check.ts'
import { decodeProcessingRequest } from './wire/process.ts'
import type { DiscoveryService } from './xds/ads.ts'

/** What carries the calls: our own HTTP/2, made for this one client, or grpc-js, which takes several times the CPU. */
export type Transport = 'own' | 'grpc-js'

export interface EnvoyServerOptions {
  /** Path of the unix socket; made anew, readable by this user only. */
  socket: string
  /** Default: `own`. */
  transport?: Transport | undefined
  protocol: Protocol
  plans: PlanStore
  discovery: DiscoveryService
  /** The largest message accepted, bytes: a request body and a little more. */
  maxMessageBytes: number
  /** Told of failures on the way of one request. */
  report(error: unknown, requestId: string): void
}

/** The three services Envoy calls, on one unix socket: ext_authz, ext_proc and ADS. */
export class EnvoyServer {
  readonly #server: GrpcSocketServer | GrpcJsServer
  readonly #responder: ResponderServer
  readonly #socket: string

  constructor({ socket, transport, protocol, plans, discovery, maxMessageBytes, report }: EnvoyServerOptions) {
    this.#socket = socket
    const responder = new ResponderServer(report)
    this.#responder = responder
    const methods = new Map<string, Method>([
      [
        '/envoy.service.auth.v3.Authorization/Check',
        { type: 'unary', handle: (bytes) => check(decodeCheckRequest(bytes), protocol, plans, responder) },
      ],
      [
        '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
        {
          type: 'stream',
          open(call) {
            const stream = new ProcessingStream(call, plans, report)
            return {
              message: (bytes) => stream.receive(decodeProcessingRequest(bytes)),
              end() {
                stream.closed()
                call.end()
              },
              closed: () => stream.closed(),
            }
          },
        },
      ],
      [discovery.path, { type: 'stream', open: (call) => discovery.open(call) }],
    ])
    const options: GrpcServerOptions = {
      methods,
      maxMessageBytes,
      // Envoy fails closed on a gRPC error: the client gets 503 and nothing is sent upstream.
      report: (error) => report(error, error instanceof DecisionError ? error.requestId : ''),
    }
    this.#server = transport === 'grpc-js' ? new GrpcJsServer(options) : new GrpcSocketServer(options)
  }

  /** Starts to listen. @throws {Error} where the socket cannot be made */
  async listen(): Promise<void> {
    await this.#responder.listen(responderSocket(this.#socket))
    await this.#server.listen(this.#socket)
  }

  /** Stops: calls under way may finish for `graceMs`, then they are cut. */
  async stop(graceMs: number): Promise<void> {
    await Promise.all([this.#responder.stop(graceMs), this.#server.stop(graceMs)])
  }
}
