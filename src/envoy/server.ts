import { randomBytes } from 'node:crypto'
import type { Protocol } from '../protocol.ts'
import { ownPath, PublishedSocket, removeDead } from '../takeover/published-socket.ts'
import { check, DecisionError } from './authz.ts'
import { ProcessingStream } from './extproc.ts'
import { GrpcJsServer } from './grpc-js.ts'
import { type GrpcCall, type GrpcReceiver, type GrpcServerOptions, GrpcSocketServer, type Method } from './h2/server.ts'
import { idleConnectionMs, requestIdHeader, responderSocket } from './names.ts'
import { Neighbour, relayMethod } from './neighbour.ts'
import type { PlanStore } from './plans.ts'
import { ResponderServer } from './responder.ts'
import { decodeCheckRequest } from './wire/check.ts'
import { decodeProcessingRequest } from './wire/process.ts'
import type { DiscoveryService } from './xds/ads.ts'

/** What carries the calls: our own HTTP/2, made for this one client, or grpc-js, which takes several times the CPU. */
export type Transport = 'own' | 'grpc-js'

export interface EnvoyServerOptions {
  /** Path of the unix socket; made anew, for this user only. A process that has it is not disturbed: it keeps its connections. */
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

/**
 * The three services Envoy calls, on one unix socket: ext_authz, ext_proc and ADS.
 *
 * Where one process takes another's place, both are asked for a while, by old and new connections, and a request's second stage may
 * come to the one that has not decided about it: that one passes it on to its neighbour.
 */
export class EnvoyServer {
  readonly #server: GrpcSocketServer | GrpcJsServer
  readonly #responder: ResponderServer
  readonly #discovery: DiscoveryService
  readonly #plans: PlanStore
  readonly #report: (error: unknown, requestId: string) => void
  readonly #sockets: readonly [service: PublishedSocket, responder: PublishedSocket]
  readonly #socket: string
  #neighbour: Neighbour | undefined

  constructor({ socket, transport, protocol, plans, discovery, maxMessageBytes, report }: EnvoyServerOptions) {
    this.#socket = socket
    const own = ownPath(socket, randomBytes(3).toString('hex'))
    this.#sockets = [
      new PublishedSocket(socket, own),
      new PublishedSocket(responderSocket(socket), responderSocket(own)),
    ]
    this.#discovery = discovery
    this.#plans = plans
    this.#report = report
    const responder = new ResponderServer(report)
    this.#responder = responder
    const methods = new Map<string, Method>([
      [
        '/envoy.service.auth.v3.Authorization/Check',
        { type: 'unary', handle: (bytes) => check(decodeCheckRequest(bytes), protocol, plans, responder) },
      ],
      [
        '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
        { type: 'stream', open: (call) => (this.#neighbour ? this.#processAnywhere(call) : this.#process(call)) },
      ],
      [relayMethod, { type: 'stream', open: (call) => this.#process(call) }],
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

  /** The path by which this process is reached though another one has the known one. */
  get ownSocket(): string {
    return this.#sockets[0].own
  }

  /** Starts to listen, and has Envoy come here. @throws {Error} where the socket cannot be made */
  async listen(): Promise<void> {
    const [service, responder] = this.#sockets
    await removeDead(this.#socket)
    await this.#responder.listen(responder.own)
    await this.#server.listen(service.own)
    this.publish()
  }

  /** Has Envoy come here, also where another process had it come there. */
  publish(): void {
    for (const socket of this.#sockets) if (!socket.published) socket.publish()
  }

  /** @param socket the path of the process that may know of requests that are not known here; none: there is none any more */
  useNeighbour(socket: string | undefined): void {
    this.#neighbour?.close()
    this.#neighbour = socket === undefined ? undefined : new Neighbour(socket)
    this.#responder.neighbour = this.#neighbour
  }

  /**
   * Has Envoy go elsewhere, to the process that has the known path by now, and answers what still comes here.
   * @param endStreams ends what would never end by itself. Not before Envoy has given up its connections to the HTTP server, or it
   *   would bring by them what begins anew.
   * @returns when Envoy needs this process no more, or after `graceMs`
   */
  async leave(graceMs: number, endStreams: () => void): Promise<void> {
    const deadline = performance.now() + graceMs
    this.#responder.leave()
    if (this.#server instanceof GrpcSocketServer) this.#server.goAway()
    this.#discovery.end()
    const idle = Math.min(deadline, performance.now() + idleConnectionMs * 1.5)
    while (performance.now() < idle && (await this.#responder.connected())) await moment()
    endStreams()
    while (performance.now() < deadline && this.#busy) await moment()
  }

  get #busy(): boolean {
    const leaving = this.#server instanceof GrpcSocketServer ? this.#server.leaving : 0
    return leaving > 0 || this.#plans.size > 0 || this.#responder.busy
  }

  /** Stops: calls under way may finish for `graceMs`, then they are cut. */
  async stop(graceMs: number): Promise<void> {
    for (const socket of this.#sockets) socket.withdraw()
    this.#discovery.end()
    await Promise.all([this.#responder.stop(graceMs), this.#server.stop(graceMs)])
    this.useNeighbour(undefined)
  }

  #process(call: GrpcCall, stream = new ProcessingStream(call, this.#plans, this.#report)): GrpcReceiver {
    return {
      message: (bytes) => stream.receive(decodeProcessingRequest(bytes)),
      end() {
        stream.closed()
        call.end()
      },
      closed: () => stream.closed(),
    }
  }

  /** The first message says whose the request is. */
  #processAnywhere(call: GrpcCall): GrpcReceiver {
    const stream = new ProcessingStream(call, this.#plans, this.#report)
    const here = this.#process(call, stream)
    let receiver: GrpcReceiver | undefined
    return {
      message: (bytes) => {
        if (receiver === undefined) {
          const message = decodeProcessingRequest(bytes)
          const id = message.type === 'requestHeaders' ? message.headers.get(requestIdHeader) : undefined
          const elsewhere = this.#neighbour !== undefined && id !== undefined && !this.#plans.has(id)
          receiver = elsewhere ? this.#neighbour!.process(call, () => stream.receive(message)) : here
        }
        receiver.message(bytes)
      },
      end: () => (receiver ?? here).end(),
      closed: () => (receiver ?? here).closed(),
    }
  }
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 100))
