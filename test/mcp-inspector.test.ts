import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'

/** The inspector's command line as a client of servers that others wrote, federated. */

const server = (name: string, ...args: string[]) => ({
  type: 'stdio' as const,
  command: process.execPath,
  args: [`node_modules/@modelcontextprotocol/server-${name}/dist/index.js`, ...args],
})
let gateway: TestGateway

beforeAll(async () => {
  gateway = await startGateway({
    mcp: { servers: { every: server('everything', 'stdio'), files: server('filesystem', resolve('examples')) } },
  })
})
afterAll(() => gateway?.stop())

/** What the inspector prints. */
async function inspect<T>(...args: string[]): Promise<T> {
  const cli = 'node_modules/.bin/mcp-inspector'
  const { stdout } = await promisify(execFile)(process.execPath, [cli, '--cli', `${gateway.url}/mcp`, ...args], {
    timeout: 30_000,
  })
  return JSON.parse(stdout) as T
}

test('inspector --cli lists and calls the tools of both', async () => {
  const { tools } = await inspect<{ tools: { name: string }[] }>('--method', 'tools/list')
  const names = tools.map(({ name }) => name)
  expect(names).toContain('every_echo')
  expect(names).toContain('files_list_directory')
  const echoed = await inspect('--method', 'tools/call', '--tool-name', 'every_echo', '--tool-arg', 'message=hello')
  expect(echoed).toMatchObject({ content: [{ type: 'text', text: 'Echo: hello' }] })
  const listed = await inspect<{ content: { text: string }[] }>(
    ...['--method', 'tools/call', '--tool-name', 'files_list_directory', '--tool-arg', `path=${resolve('examples')}`],
  )
  expect(listed.content[0]!.text).toContain('minimal.yaml')
})

test('inspector --cli reads resources and gets prompts', async () => {
  const { resources } = await inspect<{ resources: { uri: string }[] }>('--method', 'resources/list')
  const { uri } = resources[0]!
  const { contents } = await inspect<{ contents: { uri: string }[] }>('--method', 'resources/read', '--uri', uri)
  expect(contents[0]!.uri).toBe(uri)
  const { prompts } = await inspect<{ prompts: { name: string }[] }>('--method', 'prompts/list')
  const plain = prompts.find(({ name }) => /simple/.test(name))!
  const { messages } = await inspect<{ messages: unknown[] }>('--method', 'prompts/get', '--prompt-name', plain.name)
  expect(messages.length).toBeGreaterThan(0)
})
