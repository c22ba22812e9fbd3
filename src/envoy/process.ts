import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { bootstrap } from './bootstrap.ts'
import type { Transport } from './server.ts'

export interface EnvoyProcessOptions {
  /** The Envoy binary. */
  binary: string
  /** The service's unix socket. */
  socket: string
  /** What serves it. */
  transport?: Transport | undefined
  /** Envoy's worker threads. */
  concurrency: number
  /** Envoy's log lines, with their level (`warning`, `error`, `critical`, …). */
  log(level: string, line: string): void
  /** Told when Envoy ended by itself; it is started again. */
  crashed(reason: string): void
}

const slowestRestartMs = 10_000

/** How long a stream may last after its listener's configuration has changed, s. */
const longestStreamS = 7 * 24 * 3600

/** One Envoy under our care: started, watched, started again when it ends, and drained when we stop. */
export class EnvoyProcess {
  readonly #options: EnvoyProcessOptions
  readonly #directory = mkdtempSync(join(tmpdir(), 'chaperone-envoy-'))
  readonly #adminSocket = join(this.#directory, 'admin.sock')
  #child: ChildProcess | undefined
  #stopping = false
  #restartMs = 100
  #timer: NodeJS.Timeout | undefined

  constructor(options: EnvoyProcessOptions) {
    this.#options = options
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    const { binary, socket, transport, concurrency } = this.#options
    const file = join(this.#directory, 'bootstrap.json')
    writeFileSync(
      file,
      JSON.stringify(
        bootstrap({ nodeId: `chaperone-${process.pid}`, socket, transport, adminSocket: this.#adminSocket }),
      ),
    )
    const child = spawn(
      binary,
      [
        ...['-c', file, '--concurrency', String(concurrency), '--log-level', 'warning'],
        // Without a base id of its own, a second Envoy on the machine could not start.
        ...['--use-dynamic-base-id', '--log-format', '%l %v'],
        // Connections that a listener's old configuration serves are left with their next answer.
        ...['--drain-strategy', 'immediate'],
        // Streams have no next answer: they go on for so long under what they came by.
        ...['--drain-time-s', String(longestStreamS)],
      ],
      // What Envoy logs of requests goes where the service's own lines go.
      { stdio: ['ignore', 'inherit', 'pipe'] },
    )
    this.#child = child
    createInterface({ input: child.stderr! }).on('line', (line) => {
      const space = line.indexOf(' ')
      // What it says on its way out is of no use to anyone.
      if (!this.#stopping) this.#options.log(line.slice(0, space), line.slice(space + 1))
    })
    const started = performance.now()
    let over = false
    const ended = (reason: string) => {
      if (over) return
      over = true
      this.#child = undefined
      if (this.#stopping) return
      this.#options.crashed(reason)
      this.#restartMs = performance.now() - started > 60_000 ? 100 : Math.min(this.#restartMs * 2, slowestRestartMs)
      this.#timer = setTimeout(() => this.start(), this.#restartMs)
    }
    child.on('error', (error) => ended(error.message))
    child.on('exit', (code, signal) => ended(signal ?? `exit code ${code}`))
  }

  /**
   * Asks Envoy's admin interface.
   * @returns status and body
   */
  admin(path: string, method: 'GET' | 'POST' = 'GET'): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const call = request(
        { socketPath: this.#adminSocket, path, method, agent: false, timeout: 5_000 },
        (response) => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            body += chunk
          })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
          response.on('error', reject)
        },
      )
      call.on('error', reject)
      call.on('timeout', () => call.destroy(new Error('Envoy’s admin interface does not answer')))
      call.end()
    })
  }

  /** Lets requests under way finish for `drainMs`, accepts no new ones, and ends Envoy. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#child
    if (child) {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      if (drainMs > 0) {
        await this.admin('/drain_listeners?graceful', 'POST').catch(() => undefined)
        const deadline = performance.now() + drainMs
        while (performance.now() < deadline && (await this.#activeRequests()) > 0)
          await new Promise((resolve) => setTimeout(resolve, 50))
      }
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await exited
      clearTimeout(timer)
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #activeRequests(): Promise<number> {
    try {
      const { body } = await this.admin('/stats?filter=^http\\..*\\.downstream_rq_active$&format=json')
      const { stats } = JSON.parse(body) as { stats: { name: string; value: number }[] }
      // The admin interface counts this very request.
      return stats.reduce((sum, { name, value }) => (name.startsWith('http.admin.') ? sum : sum + value), 0)
    } catch {
      return 0
    }
  }
}
