import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bootstrap } from '../src/envoy/bootstrap.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The processes of a benchmark: each has a core's time of its own to be measured, and none outlives the benchmark. */
export class Processes {
  readonly #children: ChildProcess[] = []

  start(command: string, args: string[]): ChildProcess {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, BENCH_KEY: 'k' },
    })
    this.#children.push(child)
    return child
  }

  /**
   * Starts the service and an Envoy of one thread.
   * @param serve the arguments of `chaperone serve` that say where the rules are
   * @param url answers with less than 500 as soon as the gateway is ready
   */
  async gateway(
    { directory, name, binary, url }: { directory: string; name: string; binary: string; url: string },
    serve: string[],
  ): Promise<{ service: number; envoy: number }> {
    const socket = join(directory, `${name}.sock`)
    const service = this.start(process.execPath, ['bin/chaperone.mjs', 'serve', ...serve, '-s', socket])
    const config = join(directory, `${name}.json`)
    writeFileSync(
      config,
      JSON.stringify(bootstrap({ nodeId: name, socket, adminSocket: join(directory, `${name}.admin`) })),
    )
    const envoy = this.start(binary, [
      ...['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error', '-c', config],
    ])
    for (let i = 0; i < 300; i++) {
      const response = await fetch(url, { method: 'POST' }).catch(() => undefined)
      if (response && response.status < 500) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return { service: service.pid!, envoy: envoy.pid! }
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

/** The memory of a process that is its own (`RssAnon`), MiB. */
export function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)![1]) / 1024
}
