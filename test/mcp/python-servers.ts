import { pythonWith } from '../python.ts'
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
 * How to start a server of PyPI as a process.
 * @param args of the server: `--local-timezone Europe/Berlin`, `--repository PATH`, `--ignore-robots-txt --allow-private-ips`
 * @throws Error with pip's words if python3 or a package cannot be had
 */
export function pythonServer(name: PythonServer, ...args: string[]): StdioServer {
  python ??= pythonWith('mcp', Object.values(packages))
  return { type: 'stdio', command: python, args: ['-m', `mcp_server_${name}`, ...args] }
}
