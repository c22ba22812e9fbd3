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
import type { GrpcServerOptions, Method } from './h2/server.ts'

const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

type Bytes = Uint8Array

/** The same server as h2/server.ts, on grpc-js: what our own is measured against, and a way out should it be at fault. */
export class GrpcJsServer {
  readonly #server: Server
  #socket = ''

  constructor({ methods, maxMessageBytes, report }: GrpcServerOptions) {
    this.#server = new Server({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': 100_000,
    })
    for (const [path, method] of methods) {
      const streams = method.type === 'stream'
      const service: ServiceDefinition = {
        method: {
          path,
          requestStream: streams,
          responseStream: streams,
          requestSerialize: asIs,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: asIs,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      }
      this.#server.addService(service, {
        method: method.type === 'stream' ? stream(method, report) : unary(method, report),
      })
    }
  }

  /** Listens on a socket made anew, for this user only. @throws {Error} where it cannot be made */
  async listen(path: string): Promise<void> {
    this.#socket = path
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
    chmodSync(path, 0o600)
  }

  /** Stops: calls under way may finish for `graceMs`, then they are cut. */
  async stop(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#server.forceShutdown(), graceMs)
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
    clearTimeout(timer)
    this.#server.forceShutdown()
    rmSync(this.#socket, { force: true })
  }
}

type Report = GrpcServerOptions['report']

function unary(method: Method & { type: 'unary' }, report: Report) {
  return (call: ServerUnaryCall<Bytes, Bytes>, callback: sendUnaryData<Bytes>) => {
    const failed = (error: unknown) => {
      report(error)
      callback({ code: status.INTERNAL, details: 'the method failed' })
    }
    try {
      const answer = method.handle(call.request)
      if (answer instanceof Promise) answer.then((bytes) => callback(null, bytes), failed)
      else callback(null, answer)
    } catch (error) {
      failed(error)
    }
  }
}

function stream(method: Method & { type: 'stream' }, report: Report) {
  return (call: ServerDuplexStream<Bytes, Bytes>) => {
    let over = false
    const receiver = method.open({
      write: (message) => over || call.write(message),
      end() {
        if (over) return
        over = true
        call.end()
      },
      fail(code, details) {
        if (over) return
        over = true
        call.emit('error', { code, details })
      },
    })
    const closed = () => {
      if (over) return
      over = true
      receiver.closed()
    }
    call.on('data', (bytes: Bytes) => {
      if (over) return
      try {
        receiver.message(bytes)
      } catch (error) {
        report(error)
        call.emit('error', { code: status.INTERNAL, details: 'the method failed' })
      }
    })
    call.on('end', () => {
      if (!over) receiver.end()
    })
    call.on('cancelled', closed)
    call.on('error', closed)
  }
}
