import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The interpreter of a virtual environment with these packages of PyPI. The first call makes it under the cache directory
 * (XDG_CACHE_HOME or ~/.cache), which takes about twenty seconds; later ones find it there: its name holds the versions, and a
 * mark in it says that it is complete. Every package comes as a wheel.
 * @param packages each with its version: `mcp-server-time==2026.10.19`
 * @throws Error with pip's words if python3 or a package cannot be had
 */
export function pythonWith(name: string, packages: readonly string[]): string {
  const digest = createHash('sha256').update(packages.join(' ')).digest('hex').slice(0, 12)
  const cache = process.env.XDG_CACHE_HOME || join(process.env.HOME || tmpdir(), '.cache')
  const directory = join(cache, 'chaperone', `${name}-python-${digest}`)
  const interpreter = join(directory, 'bin', 'python3')
  const complete = join(directory, 'complete')
  if (existsSync(complete)) return interpreter
  rmSync(directory, { recursive: true, force: true })
  run('python3', ['-m', 'venv', directory])
  run(interpreter, ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', ...packages])
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
