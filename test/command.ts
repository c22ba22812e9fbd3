import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { findEnvoy } from '../src/envoy/binary.ts'
import { eventually } from './gateway.ts'

/** A command that runs. */
export interface Running {
  child: ChildProcess
  /** All it has written so far. */
  text(): string
  exited: Promise<number | null>
}

/** The commands as a user calls them, in an empty directory of their own. */
export class Commands {
  readonly directory = mkdtempSync(join(tmpdir(), 'chaperone-run-'))
  readonly #children: ChildProcess[] = []

  /** Starts a command, with no provider key in its environment. */
  async start(args: string[], env: Record<string, string> = {}): Promise<Running> {
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/_API_KEY$|^AWS_|^CHAPERONE_/.test(name)),
    )
    const child = spawn(process.execPath, [join(import.meta.dirname, '../bin/chaperone.mjs'), ...args], {
      cwd: this.directory,
      env: { ...clean, ENVOY_PATH: await findEnvoy(process.env, () => undefined), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    let text = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
    return { child, text: () => text, exited: new Promise((resolve) => child.once('exit', resolve)) }
  }

  /** Runs a command to its end. @returns its exit code and all it wrote */
  async run(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; text: string }> {
    const running = await this.start(args, env)
    const code = await running.exited
    return { code, text: running.text() }
  }

  /** Kills what still runs, and takes the directory away. */
  async end(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      child.kill('SIGKILL')
      await new Promise((resolve) =>
        child.exitCode === null && child.signalCode === null ? child.once('exit', resolve) : resolve(0),
      )
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Waits until a gateway says that it is ready. */
export const ready = (running: Running) =>
  eventually(() => expect(running.text()).toContain('Chaperone is ready'), 40_000)
