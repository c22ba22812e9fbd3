import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { Connection, type ConnectionOptions } from './connection.ts'
import type { GrpcCall, GrpcReceiver } from './stream.ts'
import { UnaryReceiver } from './unary.ts'

export type { GrpcCall, GrpcReceiver } from './stream.ts'

/** What is called by one path. */
export type Method =
  | {
      type: 'unary'
      /** Answers a message; see `GrpcReceiver.message` on keeping its bytes. What it throws is reported, and the call fails with INTERNAL. */
      handle(message: Uint8Array): Uint8Array | Promise<Uint8Array>
    }
  | {
      type: 'stream'
      /** Begins a call. */
      open(call: GrpcCall): GrpcReceiver
    }

export interface GrpcServerOptions {
  /** The largest message taken. */
  maxMessageBytes: number
  /** By path: `/package.Service/Method`. */
  methods: ReadonlyMap<string, Method>
  /** Told of what methods throw. Must not throw itself. */
  report(error: unknown): void
}

/**
 * A gRPC server on a unix socket for clients that we configure ourselves: HTTP/2 without TLS and with prior knowledge,
 * no compression, no server push, no priorities. Deadlines are the client's to keep, and a content-length, which gRPC
 * has no use for, is not compared with the DATA.
 */
export class GrpcSocketServer {
  readonly #server: Server
  readonly #report: (error: unknown) => void
  readonly #connections = new Set<Connection>()
  readonly #leaving = new Set<Connection>()

  constructor({ maxMessageBytes, methods, report }: GrpcServerOptions) {
    this.#report = report
    const options: ConnectionOptions = {
      maxMessageBytes,
      report,
      methods: new Map([...methods].map(([path, method]) => [path, opener(method, report)])),
    }
    this.#server = createServer((socket) => {
      const connection = new Connection(socket, options)
      this.#connections.add(connection)
      socket.on('close', () => {
        this.#connections.delete(connection)
        this.#leaving.delete(connection)
      })
    })
  }

  /** Listens on a socket made anew, for this user only. @throws {Error} where it cannot be made */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true })
    this.#server.listen(path)
    await once(this.#server, 'listening')
    // A connection that cannot be accepted is not the end of the others.
    this.#server.on('error', this.#report)
    chmodSync(path, 0o600)
  }

  /** Asks the clients that are connected to go elsewhere; their calls under way, and those that still come, are answered. */
  goAway(): void {
    for (const connection of this.#connections) {
      connection.goAway()
      this.#leaving.add(connection)
    }
  }

  /** How many clients were asked to go elsewhere, and still are here. */
  get leaving(): number {
    return this.#leaving.size
  }

  /** Stops: calls under way may finish for `graceMs`, then they are cut. */
  async stop(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.goAway()
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy()
    }, graceMs)
    await closed
    clearTimeout(timer)
  }
}

function opener(method: Method, report: (error: unknown) => void): (call: GrpcCall) => GrpcReceiver {
  if (method.type === 'stream') return (call) => method.open(call)
  return (call) => new UnaryReceiver(call, method.handle, report)
}
