import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { type OldServer, startOldServer } from './mcp/old-server.ts'
import { listen, type Running } from './mcp/serve.ts'
import { referenceProcess } from './mcp/stdio.ts'

/** Servers that end, hang, lose their sessions and come back, while clients do nothing but listen. */

let gateway: TestGateway
let old: OldServer
let other: OldServer
let older: OldServer
let twins: OldServer[]
/** It is there, but says nothing as long as `hangs`. */
let late: Running
let hangs = false
const directory = mkdtempSync(join(tmpdir(), 'chaperone-restarts-'))
const watched = 'test://watched-resource'

beforeAll(async () => {
  ;[old, other, older] = await Promise.all([startOldServer(), startOldServer(), startOldServer(400)])
  twins = await Promise.all([startOldServer(), startOldServer(), startOldServer()])
  late = await listen((incoming, outgoing) => {
    if (!hangs) pass(other.url, incoming, outgoing)
  })
  const { command, args } = referenceProcess('old')
  gateway = await startGateway({
    mcp: {
      servers: {
        old: { type: 'http', url: old.url },
        other: { type: 'http', url: other.url },
        older: { type: 'http', url: older.url },
        twins: { type: 'http', url: 'http://localhost/mcp', replicas: twins.map(({ url }) => new URL(url).host) },
        process: {
          type: 'stdio',
          command: 'sh',
          args: ['-c', 'echo $$ >> "$PIDS"; pwd > where; exec "$@"', 'sh', command, ...args],
          env: { PIDS: join(directory, 'pids') },
          cwd: directory,
          sessionIdle: '1s',
        },
        late: { type: 'http', url: late.url, listTimeout: '1200ms' },
      },
      endpoints: {
        old: { servers: ['old'] },
        other: { servers: ['other'] },
        process: { servers: ['process'] },
        late: { servers: ['late', 'old'] },
        older: { servers: ['older'] },
        twins: { servers: ['twins'] },
      },
      keepAlive: '500ms',
    },
  })
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([late, old, other, older, ...(twins ?? [])].map((server) => server?.stop()))
  rmSync(directory, { recursive: true, force: true })
})

/** Hands a request on as it is. */
function pass(target: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method = 'GET', headers } = incoming
  const onward = forward(target, { method, headers: { ...headers, host: new URL(target).host } }, (response) => {
    outgoing.writeHead(response.statusCode!, response.headers)
    outgoing.flushHeaders()
    response.pipe(outgoing)
  })
  onward.on('error', () => outgoing.destroy())
  outgoing.on('close', () => onward.destroy())
  incoming.pipe(onward)
}

const url = (endpoint: string) => new URL(`${gateway.url}/mcp/${endpoint}`)

/** What a client that listens hears. */
interface Heard {
  tools: number
  readonly updated: string[]
  readonly logs: string[]
}

/** A client of the old era; its stream is open. */
async function connect(endpoint: string): Promise<{ client: Client; heard: Heard }> {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: {} })
  const heard: Heard = { tools: 0, updated: [], logs: [] }
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    heard.tools++
  })
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.updated.push(params.uri))
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.logs.push(params.level))
  await client.connect(new StreamableHTTPClientTransport(url(endpoint)))
  return { client, heard }
}

/** Ends the session: a connection that only breaks is waited for. */
async function end(client: Client): Promise<void> {
  await (client.transport as StreamableHTTPClientTransport).terminateSession()
  await client.close()
}

/** A client of the new era that listens to tools and one resource. */
async function connectModern(endpoint: string): Promise<{ client: ModernClient; heard: Heard }> {
  const client = new ModernClient(
    { name: 'test', version: '1' },
    { capabilities: {}, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  const heard: Heard = { tools: 0, updated: [], logs: [] }
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    heard.tools++
  })
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.updated.push(params.uri))
  await client.connect(new ModernTransport(url(endpoint)))
  await client.listen({ toolsListChanged: true, resourceSubscriptions: [`${endpoint}+${watched}`] })
  return { client, heard }
}

const pids = () => readFileSync(join(directory, 'pids'), 'utf8').trim().split('\n').map(Number)

/** Until what the gateway does on its own has been done, something is tried that shows it. */
const untilHeard = (action: () => Promise<unknown>, check: () => void): Promise<void> =>
  eventually(async (): Promise<void> => {
    await action().catch(() => undefined)
    check()
  })

test('a process has the environment and the working directory of its rule', async () => {
  const { client } = await connect('process')
  await client.listTools()
  expect(readFileSync(join(directory, 'where'), 'utf8').trim()).toBe(realpathSync(directory))
  expect(pids().length).toBeGreaterThan(0)
  await end(client)
})

test('a process that nobody needs any more is ended', async () => {
  const { client } = await connect('process')
  await client.listTools()
  const pid = pids().at(-1)!
  process.kill(pid, 0)
  await end(client)
  await eventually(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'))
})

const kill = async (): Promise<void> => {
  process.kill(pids().at(-1)!, 'SIGKILL')
}

describe.each([
  ['a process that was killed', 'process', kill],
  ['a server that lost its sessions', 'other', () => other.forget()],
  ['a server that says 400 of a session that it lost', 'older', () => older.forget()],
] as const)('%s', (_, server, fail) => {
  test.each([
    ['old', connect],
    ['new', connectModern],
  ] as const)(
    'is there again for a client of the %s era that only listens, with all that it had asked for',
    async (era, open) => {
      const { client, heard } = await open(server)
      const trigger = () =>
        client.callTool({ name: `${server}_test_trigger_resource_update`, arguments: {} }) as Promise<unknown>
      if (client instanceof Client) await client.subscribeResource({ uri: `${server}+${watched}` })
      await untilHeard(trigger, () => expect(heard.updated).toContain(`${server}+${watched}`))
      if (client instanceof Client) await client.setLoggingLevel('error')
      heard.updated.length = 0
      heard.tools = 0
      await fail()
      // Nobody calls anything.
      await eventually(() => expect(heard.tools).toBeGreaterThan(0))
      await untilHeard(trigger, () => expect(heard.updated).toContain(`${server}+${watched}`))
      if (client instanceof Client) {
        await client.callTool({ name: `${server}_test_tool_with_logging`, arguments: {} })
        expect(heard.logs).toEqual([])
      }
      expect(era).toBeDefined()
      await client.close()
    },
  )
})

test('a server that hangs delays one list, is left out at once of the next, and is heard of when it is there again', async () => {
  const { client, heard } = await connect('late')
  const names = async () => (await client.listTools()).tools.map(({ name }) => name)
  const both = await names()
  expect(both).toEqual(expect.arrayContaining(['late_test_simple_text', 'old_test_simple_text']))
  hangs = true
  const first = await client.listTools()
  expect(first.tools.map(({ name }) => name)).not.toContain('late_test_simple_text')
  expect(first._meta).toMatchObject({ 'dev.chaperone/unavailable': ['late'] })
  const began = performance.now()
  expect(await names()).not.toContain('late_test_simple_text')
  expect(performance.now() - began).toBeLessThan(1_000)
  // The operator is told once, and of what it was.
  const told = gateway.reports.filter(({ error }) => String(error).includes('MCP server late'))
  expect(told.map(({ error }) => String(error))).toEqual([expect.stringContaining('did not answer in time')])
  // The others' calls do not wait for it.
  expect((await client.callTool({ name: 'old_test_simple_text', arguments: {} })).isError).toBeFalsy()
  // Who comes now gets what there is, and what it could.
  const { client: newcomer } = await connect('late')
  expect(newcomer.getServerCapabilities()).toMatchObject({ resources: { subscribe: true } })
  await newcomer.close()
  heard.tools = 0
  hangs = false
  await eventually(async () => expect(await names()).toContain('late_test_simple_text'))
  await eventually(() => expect(heard.tools).toBeGreaterThan(0))
  expect(await names()).toEqual(both)
  await client.close()
})

test('a replica that is gone takes its sessions with it, and the clients go on at the others', async () => {
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect('twins')))
  for (const { client } of clients) await client.callTool({ name: 'twins_test_simple_text', arguments: {} })
  const victim = twins.find(({ sessions }) => sessions.size > 0)!
  await victim.stop()
  const call = (client: Client) => client.callTool({ name: 'twins_test_image_content', arguments: {} })
  let failed = 0
  for (const { client } of clients)
    await call(client).catch(() => {
      // Whether it was carried out nobody knows: it is not made again, and the next ones go another way.
      failed++
    })
  expect(failed).toBeLessThanOrEqual(1)
  for (const { client } of clients) expect((await call(client)).content).toHaveLength(1)
  for (const { client } of clients) await client.close()
})
