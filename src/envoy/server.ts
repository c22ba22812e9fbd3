import { chmodSync, rmSync } from 'node:fs'
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import type { Protocol } from '../protocol.ts'
import { check } from './authz.ts'
import { ProcessingStream } from './extproc.ts'
import type { PlanStore } from './plans.ts'
import { type CheckedRequest, decodeCheckRequest } from './wire/check.ts'
import { decodeProcessingRequest, type ProcessingMessage } from './wire/process.ts'
import type { DiscoveryService } from './xds/ads.ts'

const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const authorization: ServiceDefinition = {
  check: {
    path: '/envoy.service.auth.v3.Authorization/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: decodeCheckRequest,
    responseSerialize: asIs,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
}

const externalProcessor: ServiceDefinition = {
  process: {
    path: '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: decodeProcessingRequest,
    responseSerialize: asIs,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
}

export interface EnvoyServerOptions {
  /** Path of the unix socket; made anew, readable by this user only. */
  socket: string
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
  readonly #server: Server
  readonly #options: EnvoyServerOptions

  constructor(options: EnvoyServerOptions) {
    this.#options = options
    this.#server = new Server({
      'grpc.max_receive_message_length': options.maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': 100_000,
    })
    const { protocol, plans, report } = options
    this.#server.addService(authorization, {
      check(call: ServerUnaryCall<CheckedRequest, Uint8Array>, callback: sendUnaryData<Uint8Array>) {
        try {
          const answer = check(call.request, protocol, plans)
          if (answer instanceof Promise)
            answer.then(
              (bytes) => callback(null, bytes),
              (error) => failed(error),
            )
          else callback(null, answer)
        } catch (error) {
          failed(error)
        }
        // Envoy fails closed on a gRPC error: the client gets 503 and nothing is sent upstream.
        function failed(error: unknown) {
          report(error, call.request.headers.get('x-request-id') ?? '')
          callback({ code: status.INTERNAL, details: 'the decision failed' })
        }
      },
    })
    this.#server.addService(externalProcessor, {
      process(call: ServerDuplexStream<ProcessingMessage, Uint8Array>) {
        const stream = new ProcessingStream(call, plans, report)
        call.on('data', (message: ProcessingMessage) => stream.receive(message))
        call.on('end', () => {
          stream.closed()
          call.end()
        })
        call.on('cancelled', () => stream.closed())
        call.on('error', () => stream.closed())
      },
    })
    options.discovery.addTo(this.#server)
  }

  /** Starts to listen. @throws {Error} where the socket cannot be made */
  async listen(): Promise<void> {
    const { socket } = this.#options
    rmSync(socket, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
    chmodSync(socket, 0o600)
  }

  /** Stops: calls under way may finish for `graceMs`, then they are cut. */
  async stop(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#server.forceShutdown(), graceMs)
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
    clearTimeout(timer)
    this.#server.forceShutdown()
    rmSync(this.#options.socket, { force: true })
  }
}
