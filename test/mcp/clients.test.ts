import { execFileSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../gateway.ts'
import { upstream } from '../harness.ts'
import { connectNew, connectOld, connectSse, sampled } from './clients.ts'
import { logMessages, progressSteps, watched } from './fixture.ts'
import { startNewServer } from './new-server.ts'
import { type OldServer, startOldServer } from './old-server.ts'
import { pythonServer } from './python-servers.ts'
import type { Running } from './serve.ts'
import { startSseServer } from './sse-server.ts'
import { publishedServer, referenceProcess } from './stdio.ts'

/** The real clients and servers, without a gateway: what the tests with one may count on. */

let old: OldServer
let fresh: Running
let sse: Running
const directory = realpathSync(mkdtempSync(join(tmpdir(), 'chaperone-mcp-')))

beforeAll(async () => {
  ;[old, fresh, sse] = await Promise.all([startOldServer(), startNewServer(), startSseServer()])
})

afterAll(async () => {
  await Promise.all([old, fresh, sse].map((server) => server?.stop()))
  rmSync(directory, { recursive: true, force: true })
})

/** Every way to a reference server that a client of the right era has. */
const ways = {
  'SDK 1.x, streamable HTTP': () => connectOld(old.url),
  'SDK 2.x in legacy mode, streamable HTTP': () => connectNew(old.url, { mode: 'legacy' }),
  'SDK 2.x in auto mode, old server': () => connectNew(old.url, { mode: 'auto' }),
  'SDK 1.x, HTTP+SSE': () => connectSse(sse.url),
  'SDK 1.x, stdio': () => connectOld(referenceProcess('old')),
  'SDK 2.x, streamable HTTP': () => connectNew(fresh.url),
  'SDK 2.x in auto mode, new server': () => connectNew(fresh.url, { mode: 'auto' }),
  'SDK 2.x, stdio': () => connectNew(referenceProcess('new')),
}

describe.each(Object.entries(ways))('%s', (name, connect) => {
  const modern = name.includes('SDK 2.x') && !/legacy|old server/.test(name)

  test('calls, is asked, and hears what happens meanwhile', async () => {
    const { client, heard, asked, close } = await connect()
    const call = async (tool: string, args: Record<string, string> = {}) => {
      const { content } = await client.callTool({ name: tool, arguments: args })
      return (content as { text: string }[])[0]!.text
    }
    expect(client.getServerVersion()?.name).toBe(modern ? 'new-reference' : 'old-reference')
    expect((await client.listTools()).tools.length).toBeGreaterThan(25)
    expect(await call('test_sampling', { prompt: 'Say it' })).toBe(`LLM response: ${sampled}`)
    expect(await call('test_elicitation_sep1330_enums')).toContain('"titledMulti":["value1"]')
    expect(await call('test_input_required_result_list_roots')).toBe('There are 1 roots')
    expect(await call('test_input_required_result_multi_round')).toBe('a text likes a text')
    expect(asked.map(({ method }) => method)).toEqual([
      'sampling/createMessage',
      'elicitation/create',
      'roots/list',
      'elicitation/create',
      'elicitation/create',
    ])
    const steps: number[] = []
    const onprogress = ({ progress }: { progress: number }) => void steps.push(progress)
    const tool = { name: 'test_tool_with_progress', arguments: {} }
    if ('listen' in client) await client.callTool(tool, { onprogress })
    else await client.callTool(tool, undefined, { onprogress })
    expect(steps).toEqual(progressSteps)
    if (!modern) await call('test_tool_with_logging')
    expect(heard.filter(({ method }) => method === 'notifications/message').map(({ params }) => params?.data)).toEqual(
      modern ? [] : logMessages,
    )
    await close()
  })
})

test.each([
  ['SDK 1.x, streamable HTTP', () => connectOld(old.url)],
  ['SDK 2.x in legacy mode', () => connectNew(old.url, { mode: 'legacy' })],
])('%s: hears of changes on the stream of its session', async (_, connect) => {
  const { client, heard, close } = await connect()
  await client.subscribeResource({ uri: watched })
  // The stream is opened when the handshake is over, and nobody says when it is there.
  await eventually(async () => {
    for (const name of ['test_trigger_tool_change', 'test_trigger_resource_update'])
      await client.callTool({ name, arguments: {} })
    const methods = heard.map(({ method }) => method)
    expect(methods).toContain('notifications/tools/list_changed')
    expect(methods).toContain('notifications/resources/updated')
  })
  await close()
})

test.each([
  ['streamable HTTP', () => connectNew(fresh.url)],
  ['stdio', () => connectNew(referenceProcess('new'))],
])('SDK 2.x, %s: hears of the changes that it listens to', async (_, connect) => {
  const { client, heard, close } = await connect()
  const subscription = await client.listen({ toolsListChanged: true, resourceSubscriptions: [watched] })
  for (const kind of ['prompt_change', 'tool_change', 'resource_update'])
    await client.callTool({ name: `test_trigger_${kind}`, arguments: {} })
  await eventually(() => {
    const methods = heard.map(({ method }) => method)
    expect(methods).toContain('notifications/tools/list_changed')
    expect(methods).toContain('notifications/resources/updated')
    expect(methods).not.toContain('notifications/prompts/list_changed')
  })
  await subscription.close()
  await close()
})

test('a client that declares nothing is asked nothing', async () => {
  const bare = await connectNew(fresh.url, { answers: {} })
  await expect(bare.client.callTool({ name: 'test_missing_capability', arguments: {} })).rejects.toThrow(/sampling/)
  await bare.close()
  const legacy = await connectOld(old.url, { answers: {} })
  expect(await legacy.client.callTool({ name: 'test_missing_capability', arguments: {} })).toMatchObject({
    isError: true,
  })
  await legacy.close()
})

test('neither era is served by a server of the other', async () => {
  await expect(connectNew(old.url)).rejects.toThrow()
  await expect(connectOld(fresh.url)).rejects.toThrow(/2026-07-28/)
})

test('a session that is ended or forgotten gets a 404', async () => {
  const { client, close } = await connectOld(old.url)
  expect(old.sessions.size).toBe(1)
  await old.forget()
  await expect(client.ping()).rejects.toThrow(/Session not found/)
  await close().catch(() => {})
  const other = await connectOld(old.url)
  await other.close()
  expect(old.sessions.size).toBe(0)
})

test.each([
  ['everything', () => publishedServer('everything'), 'echo'],
  ['filesystem', () => publishedServer('filesystem', directory), 'read_text_file'],
  ['memory', () => publishedServer('memory'), 'create_entities'],
] as const)('@modelcontextprotocol/server-%s starts', async (_, server, tool) => {
  const { client, close } = await connectOld(server())
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain(tool)
  await close()
})

describe('servers of PyPI', () => {
  const text = async (server: Parameters<typeof connectOld>[0], name: string, args: Record<string, unknown>) => {
    const { client, close } = await connectOld(server)
    const { content, isError } = await client.callTool({ name, arguments: args })
    await close()
    expect(isError ?? false).toBe(false)
    return (content as { text: string }[]).map(({ text }) => text).join('\n')
  }

  // The first makes the environment.
  test('mcp-server-time converts', async () => {
    const server = pythonServer('time', '--local-timezone', 'UTC')
    const args = { source_timezone: 'UTC', time: '12:00', target_timezone: 'Asia/Tokyo' }
    expect(await text(server, 'convert_time', args)).toContain('21:00')
  }, 300_000)

  test('mcp-server-git reads a repository', async () => {
    const git = (...args: string[]) => execFileSync('git', ['-C', directory, ...args], { stdio: 'ignore' })
    git('init', '--quiet')
    writeFileSync(join(directory, 'file.txt'), 'content')
    git('add', 'file.txt')
    const server = pythonServer('git', '--repository', directory)
    expect(await text(server, 'git_status', { repo_path: directory })).toContain('file.txt')
  }, 60_000)

  test('mcp-server-fetch fetches', async () => {
    const page = await upstream((_, response) => response.setHeader('content-type', 'text/plain').end('A page.'))
    const server = pythonServer('fetch', '--ignore-robots-txt', '--allow-private-ips')
    expect(await text(server, 'fetch', { url: page.url })).toContain('A page.')
    await page.close()
  }, 60_000)
})
