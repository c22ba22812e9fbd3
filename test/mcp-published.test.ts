import { execFileSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'
import { connectNew, connectOld } from './mcp/clients.ts'
import { pythonServer } from './mcp/python-servers.ts'
import { publishedServer } from './mcp/stdio.ts'

/** Six servers that others published, of npm and of PyPI, behind one endpoint, with clients of both eras. */

let gateway: TestGateway
let page: Awaited<ReturnType<typeof upstream>>
const directory = realpathSync(mkdtempSync(join(tmpdir(), 'chaperone-mcp-')))

beforeAll(async () => {
  page = await upstream((_, response) => void response.setHeader('content-type', 'text/plain').end('A page.'))
  writeFileSync(join(directory, 'file.txt'), 'Some text.')
  execFileSync('git', ['init', '--quiet', directory])
  const rule = ({ command, args }: { command: string; args?: string[] }) => ({
    type: 'stdio' as const,
    command,
    ...(args && { args }),
    listTimeout: '30s',
  })
  gateway = await startGateway({
    mcp: {
      servers: {
        everything: rule(publishedServer('everything')),
        files: rule(publishedServer('filesystem', directory)),
        memory: { ...rule(publishedServer('memory')), env: { MEMORY_FILE_PATH: join(directory, 'memory.json') } },
        time: rule(pythonServer('time', '--local-timezone', 'UTC')),
        git: rule(pythonServer('git', '--repository', directory)),
        web: rule(pythonServer('fetch', '--ignore-robots-txt', '--allow-private-ips')),
      },
    },
  })
}, 300_000)
afterAll(async () => {
  await gateway?.stop()
  await page?.close()
  rmSync(directory, { recursive: true, force: true })
})

describe.each([
  ['SDK 1.x', () => connectOld(`${gateway.url}/mcp`)],
  ['SDK 2.x', () => connectNew(`${gateway.url}/mcp`)],
])('%s', (name, connect) => {
  test('lists the tools of all and calls one of each', async () => {
    const { client, close } = await connect()
    const { tools } = await client.listTools()
    const servers = new Set(tools.map((tool) => tool.name.split('_')[0]))
    expect([...servers].sort()).toEqual(['everything', 'files', 'git', 'memory', 'time', 'web'])
    const call = async (tool: string, args: Record<string, unknown>) => {
      const { content } = await client.callTool({ name: tool, arguments: args })
      return JSON.stringify(content)
    }
    expect(await call('everything_echo', { message: 'hello' })).toContain('hello')
    expect(await call('files_read_text_file', { path: join(directory, 'file.txt') })).toContain('Some text.')
    const entity = { name: `of ${name}`, entityType: 'note', observations: ['seen'] }
    await call('memory_create_entities', { entities: [entity] })
    expect(await call('memory_read_graph', {})).toContain(`of ${name}`)
    expect(
      await call('time_convert_time', { source_timezone: 'UTC', time: '12:00', target_timezone: 'Asia/Tokyo' }),
    ).toContain('21:00')
    expect(await call('git_git_status', { repo_path: directory })).toContain('file.txt')
    expect(await call('web_fetch', { url: page.url })).toContain('A page.')
    await close()
  }, 120_000)
})
