import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Responder } from '../protocol.ts'
import { requestIdHeader } from './names.ts'
import { type Neighbour, relayedHeader } from './neighbour.ts'

/** Envoy brings a request at once; what does not come in this time never will. */
const patienceMs = 10_000

/** Clients that come at once, after a restart for example, each open a connection here; Node's 511 are too few for them. */
const backlog = 4096

/**
 * The service's own HTTP server, on a unix socket that Envoy alone may open: it gives the answers that take time or are
 * streams. Stage 1 leaves here what answers a request, under the request's id, and Envoy brings the request.
 */
export class ResponderServer {
  readonly #waiting = new Map<string, { respond: Responder; since: number }>()
  readonly #server: Server
  readonly #sweeper: NodeJS.Timeout
  readonly #report: (error: unknown, requestId: string) => void
  /** Who may know of requests that are not known here. */
  neighbour: Neighbour | undefined
  #leaving = false
  /** Answers under way. */
  #answering = 0

  /** @param report told of what goes wrong here; the client gets a 500 */
  constructor(report: (error: unknown, requestId: string) => void) {
    this.#report = report
    this.#server = createServer(
      // Envoy has its own, and streams may last for hours.
      { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, noDelay: true, maxHeaderSize: 256 * 1024 },
      (request, response) => this.#respond(request, response),
    )
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), patienceMs / 2)
    this.#sweeper.unref()
  }

  /** Whether a request that has not come yet has this id. */
  has(id: string): boolean {
    return this.#waiting.has(id)
  }

  /** Leaves what answers the request with this id. */
  expect(id: string, respond: Responder): void {
    this.#waiting.set(id, { respond, since: performance.now() })
  }

  /** Listens on a socket made anew, for this user only. @throws {Error} where it cannot be made */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true })
    this.#server.listen({ path, backlog })
    await once(this.#server, 'listening')
    this.#server.on('error', (error) => this.#report(error, ''))
    chmodSync(path, 0o600)
  }

  /**
   * Every answer is the last of its connection from now on. Connections that Envoy has no use for it closes by itself, so that none
   * is closed here while a request is on its way.
   */
  leave(): void {
    this.#leaving = true
  }

  /** Whether an answer is under way, or expected. */
  get busy(): boolean {
    return this.#answering > 0 || this.#waiting.size > 0
  }

  /** Whether Envoy has a connection here still. */
  async connected(): Promise<boolean> {
    return new Promise((resolve) => this.#server.getConnections((error, count) => resolve(!error && count > 0)))
  }

  /** Stops: answers under way may finish for `graceMs`, then they are cut. */
  async stop(graceMs: number): Promise<void> {
    clearInterval(this.#sweeper)
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    await closed
    clearTimeout(timer)
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const id = request.headers[requestIdHeader]
    const waiting = typeof id === 'string' ? this.#waiting.get(id) : undefined
    response.on('error', () => undefined)
    this.#answering++
    response.on('close', () => this.#answering--)
    if (this.#leaving) response.shouldKeepAlive = false
    if (!waiting) {
      const refuse = () => {
        request.resume()
        response.writeHead(503, { 'content-type': 'application/json' }).end('{"error":"the request was not expected"}')
      }
      if (this.neighbour && request.headers[relayedHeader] === undefined)
        this.neighbour.respond(request, response, refuse)
      else refuse()
      return
    }
    this.#waiting.delete(id as string)
    const failed = (error: unknown) => {
      this.#report(error, id as string)
      if (response.headersSent) response.destroy()
      else response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"the gateway failed"}')
    }
    try {
      const done = waiting.respond(request, response)
      // Stage 1 has seen the body already.
      if (!request.readableFlowing) request.resume()
      if (done instanceof Promise) done.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  #sweep(now: number): void {
    for (const [id, { since }] of this.#waiting) {
      if (now - since < patienceMs) return
      this.#waiting.delete(id)
    }
  }
}
