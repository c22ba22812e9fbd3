import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StdioServer } from './stdio.ts'

/** The servers of PyPI that the tests run, in the versions they were written against. */
const packages = {
  time: 'mcp-server-time==2026.10.19',
  git: 'mcp-server-git==2026.10.19',
  fetch: 'mcp-server-fetch==2026.10.24',
} as const

/** mcp-server-NAME of PyPI. */
export type PythonServer = keyof typeof packages

let python: string | undefined

/**
 * How to start a server of PyPI as a process. The first call makes a virtual environment under the cache directory
 * (XDG_CACHE_HOME or ~/.cache), which takes about twenty seconds; later ones find it there. Every package comes as a wheel.
 * @param args of the server: `--local-timezone Europe/Berlin`, `--repository PATH`, `--ignore-robots-txt --allow-private-ips`
 * @throws Error with pip's words if python3 or a package cannot be had
 */
export function pythonServer(name: PythonServer, ...args: string[]): StdioServer {
  python ??= environment()
  return { type: 'stdio', command: python, args: ['-m', `mcp_server_${name}`, ...args] }
}

/** The interpreter of the environment. Its name holds the versions, and a mark in it says that it is complete. */
function environment(): string {
  const wanted = Object.values(packages)
  const digest = createHash('sha256').update(wanted.join(' ')).digest('hex').slice(0, 12)
  const cache = process.env.XDG_CACHE_HOME || join(process.env.HOME || tmpdir(), '.cache')
  const directory = join(cache, 'chaperone', `mcp-python-${digest}`)
  const interpreter = join(directory, 'bin', 'python3')
  const complete = join(directory, 'complete')
  if (existsSync(complete)) return interpreter
  rmSync(directory, { recursive: true, force: true })
  run('python3', ['-m', 'venv', directory])
  run(interpreter, ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', ...wanted])
  writeFileSync(complete, '')
  return interpreter
}

function run(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', timeout: 300_000 })
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.slice(-2000) ?? String(error)
    throw new Error(`${command} ${args.join(' ')} failed: ${said}`)
  }
}
