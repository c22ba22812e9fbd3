import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** How to start a server that speaks on its standard input and output; also what the rules take for one. */
export interface StdioServer {
  readonly type: 'stdio'
  readonly command: string
  readonly args: string[]
}

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** The reference server of an era as a process. It can be started from any working directory. */
export const referenceProcess = (era: 'old' | 'new'): StdioServer => ({
  type: 'stdio',
  command: process.execPath,
  args: ['--import', tsx, here(`${era}-stdio.ts`)],
})

/** A published server: @modelcontextprotocol/server-NAME. Of all three, only `filesystem` needs an argument: what it may see. */
export const publishedServer = (name: 'everything' | 'filesystem' | 'memory', ...args: string[]): StdioServer => ({
  type: 'stdio',
  command: process.execPath,
  args: [here(`../../node_modules/@modelcontextprotocol/server-${name}/dist/index.js`), ...args],
})
