import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { startNewServer } from './mcp/new-server.ts'
import { startOldServer } from './mcp/old-server.ts'

/** Calls that a human approves on a page of the gateway. */

let gateway: TestGateway
let input: RulesInput
let old: Awaited<ReturnType<typeof startOldServer>>
let fresh: Awaited<ReturnType<typeof startNewServer>>
let ops: string
let dev: string

beforeAll(async () => {
  ;[old, fresh] = await Promise.all([startOldServer(), startNewServer()])
  const port = await freePort()
  const approval = 'tool.name == "test_image_content" || tool.name == "test_custom_header"'
  input = {
    listeners: { default: { port, identity: { accept: ['key', 'anonymous'] } } },
    teams: { ops: {}, dev: {} },
    mcp: {
      publicUrl: `http://127.0.0.1:${port}`,
      servers: {
        old: { type: 'http', url: old.url, approval, approvalBy: 'url' },
        fresh: { type: 'http', url: fresh.url, approval, approvalBy: 'url' },
        guarded: { type: 'http', url: old.url, approval, approvalBy: 'url', approvers: 'identity.team == "ops"' },
      },
    },
  }
  gateway = await startGateway(input)
  ops = (await gateway.keys.create({ name: 'o', user: 'olga', team: 'ops' })).text
  dev = (await gateway.keys.create({ name: 'd', user: 'dan', team: 'dev' })).text
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  await Promise.all([old?.stop(), fresh?.stop()])
})

type Asked = { params: { mode?: string; url?: string; message: string } }

/** @param decide what the user does with the page that they are shown */
async function connect(decide: ((url: string) => Promise<unknown>) | undefined): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: decide ? { elicitation: { url: {} } } : {} },
  )
  if (decide)
    client.setRequestHandler(ElicitRequestSchema, async ({ params }: Asked) => {
      expect(params.mode).toBe('url')
      await decide(params.url!)
      return { action: 'accept' }
    })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)))
  return client
}

async function connectModern(decide: ((url: string) => Promise<unknown>) | undefined): Promise<ModernClient> {
  const client = new ModernClient(
    { name: 'test', version: '1' },
    {
      capabilities: decide ? { elicitation: { url: {} } } : {},
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    },
  )
  if (decide)
    client.setRequestHandler('elicitation/create', (async ({ params }: Asked) => {
      await decide(params.url!)
      return { action: 'accept' }
    }) as never)
  await client.connect(new ModernTransport(new URL(`${gateway.url}/mcp`)))
  return client
}

const headersOf = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` }
const read = (url: string, key?: string) => fetch(url, { headers: headersOf(key) })
function send(url: string, decision: string, key?: string): Promise<Response> {
  const ticket = new URL(url).searchParams.get('ticket')!
  return fetch(`${gateway.url}/mcp-approval`, {
    method: 'POST',
    headers: headersOf(key),
    body: new URLSearchParams({ ticket, decision }),
  })
}

const image = (client: Client | ModernClient, server: string, args: Record<string, unknown> = {}) =>
  client.callTool({ name: `${server}_test_image_content`, arguments: args }) as Promise<{ content: unknown }>
/** The link in the error of a client that can show no page. */
async function linkOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (reason: Error) => reason,
  )
  expect(error?.message).toMatch(/A human must approve calls of \S+ of \S+\. Open http/)
  return /Open (\S+) to decide/.exec(error!.message)![1]!
}

describe.each([
  ['old', connect],
  ['new', connectModern],
] as const)('a client of the %s era', (_, open) => {
  test.each(['old', 'fresh'])(
    'is led to the page, and its call to %s goes on when it is approved, or does not',
    async (server) => {
      let decision = 'approve'
      const pages: string[] = []
      const client = await open(async (url) => {
        const page = await read(url)
        expect(page.status).toBe(200)
        expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
        pages.push(await page.text())
        expect((await send(url, decision)).status).toBe(200)
        // It is decided once.
        expect((await send(url, 'approve')).status).toBe(404)
      })
      expect((await image(client, server, { why: '<b>bold</b>\u202e' })).content).toMatchObject([{ type: 'image' }])
      expect(pages[0]).toContain('test_image_content')
      expect(pages[0]).toContain('&lt;b&gt;bold&lt;/b&gt;\\u{202e}')
      // It was good for that call.
      decision = 'deny'
      await expect(image(client, server, { why: '<b>bold</b>\u202e' })).rejects.toThrow('It was denied')
      expect(pages).toHaveLength(2)
      await client.close()
    },
  )

  test('that can show no page has the link in the message, and calls again', async () => {
    const client = await open(undefined)
    const link = await linkOf(image(client, 'old', { n: 1 }))
    // Asking again makes no other page wait.
    expect(await linkOf(image(client, 'old', { n: 1 }))).toBeDefined()
    expect((await send(link, 'approve')).status).toBe(200)
    // With other arguments it is another call.
    await linkOf(image(client, 'old', { n: 2 }))
    expect((await image(client, 'old', { n: 1 })).content).toHaveLength(1)
    await linkOf(image(client, 'old', { n: 1 }))
    expect(gateway.mcpRecords.at(-1)).toMatchObject({
      name: 'test_image_content',
      reason: 'approval_needed',
      rule: 'mcp.servers.old.approval',
    })
    await client.close()
  })
})

test('only those approve whom the rules let, and it is told who did', async () => {
  const client = await connect(undefined)
  const link = await linkOf(image(client, 'guarded'))
  for (const key of [undefined, dev]) {
    expect((await read(link, key)).status).toBe(403)
    expect((await send(link, 'approve', key)).status).toBe(403)
  }
  await linkOf(image(client, 'guarded'))
  expect((await send(link, 'approve', ops)).status).toBe(200)
  expect((await image(client, 'guarded')).content).toHaveLength(1)
  expect(gateway.mcpRecords.at(-1)).toMatchObject({ server: 'guarded', approvedBy: 'olga' })
  await client.close()
})

test('what is no ticket, no decision or no page', async () => {
  const client = await connect(undefined)
  const link = await linkOf(image(client, 'old', { n: 9 }))
  expect((await read(`${link.slice(0, -4)}AAAA`)).status).toBe(404)
  expect((await read(`${gateway.url}/mcp-approval`)).status).toBe(404)
  expect((await send(link, 'maybe')).status).toBe(400)
  expect((await fetch(link, { method: 'PUT' })).status).toBe(405)
  // Arguments that nobody could read cannot be approved.
  const long = await linkOf(image(client, 'old', { text: 'x'.repeat(30_000) }))
  expect(await (await read(long)).text()).toContain('too long to be shown')
  await send(long, 'approve')
  await expect(image(client, 'old', { text: 'x'.repeat(30_000) })).rejects.toThrow('It was denied')
  await client.close()
})

test('a page needs a place', async () => {
  const nowhere = structuredClone(input)
  delete nowhere.mcp!.publicUrl
  const outcome = await gateway.gateway.apply(rulesSchema.parse(nowhere)).catch((error: unknown) => error)
  expect(JSON.stringify(outcome) + String(outcome)).toContain('approvalBy: url needs mcp.publicUrl')
})
