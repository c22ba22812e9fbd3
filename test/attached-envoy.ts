import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { EnvoyJson } from '../src/envoy/xds/filters.ts'

/** An Envoy that is started with a configuration of somebody else's making, as a mesh's is. */
export class AttachedEnvoy {
  readonly #directory = mkdtempSync(join(tmpdir(), 'chaperone-attached-'))
  readonly #options: { binary: string; bootstrap: EnvoyJson; log(line: string): void }
  #child: ChildProcess | undefined

  /** @param options `log` is told what Envoy says, from warnings on */
  constructor(options: { binary: string; bootstrap: EnvoyJson; log(line: string): void }) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    const file = join(this.#directory, 'envoy.json')
    writeFileSync(file, JSON.stringify(this.#options.bootstrap))
    this.#child = spawn(
      this.#options.binary,
      ['-c', file, '--concurrency', '1', '--log-level', 'warning', '--use-dynamic-base-id', '--log-format', '%l %v'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    createInterface({ input: this.#child.stderr! }).on('line', this.#options.log)
  }

  /** Asks Envoy's admin interface. */
  admin(path: string, method: 'GET' | 'POST' = 'GET'): Promise<{ status: number; body: string }> {
    const { admin } = this.#options.bootstrap as { admin: { address: { pipe: { path: string } } } }
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: admin.address.pipe.path, path, method }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      })
      call.on('error', reject).end()
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child && child.exitCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
