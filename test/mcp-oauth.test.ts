import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  ElicitRequestSchema,
  type McpError,
  ToolListChangedNotificationSchema,
  type UrlElicitationRequiredError,
} from '@modelcontextprotocol/sdk/types.js'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { TestServer } from '../src/mcp/oauth/testing.ts'
import { eventually, startGateway, type TestGateway, type TestRules } from './gateway.ts'
import { freePort } from './harness.ts'

/** Each user's own authorization at an MCP server, through the whole gateway: clients of both eras, and a browser. */

let gateway: TestGateway
/** The MCP server, with its authorization server beside it. */
let notes: TestServer
let publicUrl: string
const keys: Record<string, string> = {}
/** The tokens that the server was shown, and whether it takes them. */
const shown: string[] = []
let taken: (token: string) => boolean = (token) => token.startsWith('token-')

beforeAll(async () => {
  notes = await new TestServer().start()
  notes.handlers.set('/mcp', (request, response, body) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    shown.push(token)
    const json = (status: number, value: object, headers: Record<string, string> = {}) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
    if (!taken(token)) {
      const metadata = `${notes.url}/.well-known/oauth-protected-resource/mcp`
      const challenge = `Bearer error="invalid_token", resource_metadata="${metadata}", scope="notes:read"`
      return json(401, { error: 'invalid_token' }, { 'www-authenticate': challenge })
    }
    if (request.method !== 'POST') return void response.writeHead(405).end()
    const { id, method } = JSON.parse(body) as { id?: number; method: string }
    if (id === undefined) return void response.writeHead(202).end()
    const result =
      method === 'initialize'
        ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1' } }
        : method === 'tools/list'
          ? { tools: [{ name: 'read', inputSchema: { type: 'object' } }] }
          : { content: [{ type: 'text', text: `read with ${token}` }] }
    json(200, { jsonrpc: '2.0', id, result })
  })
  const port = await freePort()
  publicUrl = `http://localhost:${port}`
  gateway = await startGateway({
    listeners: { default: { port, identity: { accept: ['key'] } } },
    mcp: {
      publicUrl,
      servers: {
        notes: { type: 'http', url: `${notes.url}/mcp`, era: 'legacy', credential: { type: 'user' } },
        open: { type: 'http', url: `${notes.url}/open`, listTimeout: '500ms' },
      },
      endpoints: { default: { servers: ['notes', 'open'] } },
    },
  })
  for (const user of ['ann', 'bob']) keys[user] = (await gateway.keys.create({ name: user, user })).text
})
afterAll(async () => {
  await gateway?.stop()
  await notes?.stop()
})
afterEach(() => {
  taken = (token) => token.startsWith('token-')
})

async function connect(user: string, capabilities: object = { elicitation: { url: {}, form: {} } }): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { capabilities })
  const requestInit = { headers: { authorization: `Bearer ${keys[user]}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit }))
  return client
}

/** A browser that keeps its cookies and follows nothing by itself. */
class Browser {
  #cookie: string | undefined

  async ask(url: string, form?: Record<string, string>): Promise<{ status: number; location?: string; text: string }> {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { ...(this.#cookie !== undefined && { cookie: this.#cookie }) },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
    this.#cookie = response.headers.get('set-cookie')?.split(';')[0] ?? this.#cookie
    const location = response.headers.get('location')
    return { status: response.status, ...(location !== null && { location }), text: await response.text() }
  }

  /** Opens the page and goes on. @returns the callback that the authorization server sends it to */
  async leave(url: string): Promise<string> {
    const page = await this.ask(url)
    expect(page.status).toBe(200)
    const ticket = /name="ticket" value="([^"]+)"/.exec(page.text)![1]!
    const { status, location } = await this.ask(`${publicUrl}/mcp-oauth/start`, { ticket })
    expect(status).toBe(303)
    return notes.authorize(location!).href
  }

  async authorize(url: string): Promise<void> {
    const { status, text } = await this.ask(await this.leave(url))
    expect(text).toContain('is connected')
    expect(status).toBe(200)
  }
}

const call = (client: Client) => client.callTool({ name: 'notes_read', arguments: {} })
const refusedWith = (promise: Promise<unknown>): Promise<McpError> =>
  promise.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: McpError) => error,
  )
const pageOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = (await refusedWith(promise)) as UrlElicitationRequiredError
  expect(error.code).toBe(-32042)
  return error.elicitations[0]!.url
}
const text = (result: unknown) => (result as { content: { text: string }[] }).content[0]!.text
/** What the server does not know any more. */
const revoked = () => {
  notes.revokeAll()
  const before = new Set(shown)
  taken = (token) => token.startsWith('token-') && !before.has(token)
}

describe('a user', () => {
  test('is led to the page, authorizes, and goes on; the tools are there then, and nobody else’s', async () => {
    const ann = await connect('ann')
    let changes = 0
    ann.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++)
    const hidden = (await ann.listTools()).tools.map(({ name }) => name)
    expect(hidden).toEqual(['notes_chaperone_connect'])
    const url = await pageOf(ann.callTool({ name: 'notes_chaperone_connect', arguments: {} }))
    expect(url).toMatch(new RegExp(`^${publicUrl}/mcp-oauth/start\\?ticket=`))
    await new Browser().authorize(url)
    await eventually(() => expect(changes).toBeGreaterThan(0))
    expect((await ann.listTools()).tools.map(({ name }) => name)).toEqual(['notes_read'])
    expect(text(await call(ann))).toMatch(/^read with token-\d+$/)
    expect(text(await ann.callTool({ name: 'notes_chaperone_connect', arguments: {} }))).toContain('is connected')

    const bob = await connect('bob')
    expect((await bob.listTools()).tools.map(({ name }) => name)).toEqual(['notes_chaperone_connect'])
    await pageOf(call(bob))
    for (const { error } of gateway.reports) expect(String(error)).not.toMatch(/token-\d/)
    expect(shown).not.toContain(keys.ann)
    await ann.close()
    await bob.close()
  })

  test('whose token is refused gets another with the refresh token, and is asked again where that is over', async () => {
    const ann = await connect('ann')
    const first = text(await call(ann))
    const before = new Set(shown)
    taken = (token) => token.startsWith('token-') && !before.has(token)
    // Where a token came a moment ago, another would be refused as well.
    await new Promise((resolve) => setTimeout(resolve, 10_500))
    const second = text(await call(ann))
    expect(second).toMatch(/^read with token-\d+$/)
    expect(second).not.toBe(first)
    revoked()
    await new Promise((resolve) => setTimeout(resolve, 10_500))
    await new Browser().authorize(await pageOf(call(ann)))
    expect(text(await call(ann))).toMatch(/^read with token-\d+$/)
    await ann.close()
  }, 60_000)

  test('whose client can show no page finds it in the message', async () => {
    const bob = await connect('bob', {})
    const { message } = await refusedWith(call(bob))
    await new Browser().authorize(/http:\S+ticket=\S+/.exec(message)![0])
    expect(text(await call(bob))).toMatch(/^read with token-\d+$/)
    await bob.close()
  })

  test('of the new era is asked, and the call goes on when they are done', async () => {
    keys.eve = (await gateway.keys.create({ name: 'eve', user: 'eve' })).text
    const client = new ModernClient(
      { name: 'test', version: '1' },
      { capabilities: { elicitation: { url: {}, form: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
    )
    const opened: string[] = []
    client.setRequestHandler('elicitation/create', (request) => {
      const { url } = request.params as { url: string }
      opened.push(url)
      setTimeout(() => void new Browser().authorize(url), 500)
      return { action: 'accept' }
    })
    const requestInit = { headers: { authorization: `Bearer ${keys.eve}` } }
    await client.connect(new ModernTransport(new URL(`${gateway.url}/mcp`), { requestInit }))
    expect(text(await client.callTool({ name: 'notes_read', arguments: {} }))).toMatch(/^read with token-\d+$/)
    expect(opened).toHaveLength(1)
    await client.close()
  })
})

describe('a gateway that everybody reaches by its name', () => {
  let shared: TestGateway
  let sign: (claims: object) => Promise<string>
  const name = 'https://gw.example'
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-oauth-'))

  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const file = join(directory, 'jwks.json')
    writeFileSync(file, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }))
    sign = (claims) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuer('https://login.example')
        .setAudience('mcp')
        .setExpirationTime('5m')
        .sign(privateKey)
    shared = await startGateway({
      listeners: { default: { port: await freePort(), identity: { accept: ['jwt'] } } },
      identities: { issuers: { corp: { issuer: 'https://login.example', audiences: ['mcp'], jwksFile: file } } },
      mcp: {
        publicUrl: name,
        servers: { notes: { type: 'http', url: `${notes.url}/mcp`, era: 'legacy', credential: { type: 'user' } } },
        endpoints: { default: {}, scoped: { scopes: ['mcp.use', 'mcp.write'] } },
      },
    })
  })
  afterAll(async () => {
    await shared?.stop()
    rmSync(directory, { recursive: true })
  })

  test('says where its tokens come from, and which scopes are wanted', async () => {
    const metadata = await fetch(`${shared.url}/.well-known/oauth-protected-resource/mcp/scoped`)
    expect(await metadata.json()).toEqual({
      resource: `${name}/mcp/scoped`,
      authorization_servers: ['https://login.example'],
      scopes_supported: ['mcp.use', 'mcp.write'],
      bearer_methods_supported: ['header'],
    })
    const ask = (token?: string) =>
      fetch(`${shared.url}/mcp/scoped`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'initialize',
          params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
        }),
      })
    const where = `resource_metadata="${name}/.well-known/oauth-protected-resource/mcp/scoped"`
    const bare = await ask()
    expect(bare.status).toBe(401)
    expect(bare.headers.get('www-authenticate')).toBe(`Bearer scope="mcp.use mcp.write", ${where}`)
    const narrow = await ask(await sign({ sub: 'ann', scope: 'mcp.use' }))
    expect(narrow.status).toBe(403)
    expect(narrow.headers.get('www-authenticate')).toBe(
      `Bearer error="insufficient_scope", scope="mcp.use mcp.write", ${where}`,
    )
    expect((await ask(await sign({ sub: 'ann', scope: 'mcp.write mcp.use' }))).status).toBe(200)
  })

  test('wants the code of the page before tokens count', async () => {
    const token = await sign({ sub: 'ann' })
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { url: {}, form: {} } } })
    let code = 'none'
    const codes = ['WRNG-CODE']
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: 'accept',
      content: { code: codes.shift() ?? code },
    }))
    const requestInit = { headers: { authorization: `Bearer ${token}` } }
    await client.connect(new StreamableHTTPClientTransport(new URL(`${shared.url}/mcp`), { requestInit }))
    const browser = new Browser()
    const here = (url: string) => url.replace(name, shared.url)
    const page = await browser.ask(here(await pageOf(call(client))))
    const ticket = /name="ticket" value="([^"]+)"/.exec(page.text)![1]!
    const { location } = await browser.ask(`${shared.url}/mcp-oauth/start`, { ticket })
    const done = await browser.ask(here(notes.authorize(location!).href))
    expect(done.text).toContain('One more step')
    code = /[B-Z2-9]{4}-[B-Z2-9]{4}/.exec(done.text)![0]
    // The first answer is wrong, the second is the page's.
    expect(text(await call(client))).toMatch(/^read with token-\d+$/)
    expect(codes).toEqual([])
    await client.close()
  })
})

test('docs/mcp-oauth.md: its configuration runs', async () => {
  const rules = parse(/^```yaml\n(.*?)^```$/ms.exec(readFileSync('docs/mcp-oauth.md', 'utf8'))![1]!) as TestRules
  for (const name of ['CHAPERONE_SEAL', 'WIKI_CLIENT_SECRET']) process.env[name] = 'k'.repeat(44)
  const running = await startGateway({ ...rules, listeners: { default: { port: await freePort() } } })
  try {
    const document = await fetch(`${running.url}/mcp-oauth/client.json`)
    expect(await document.json()).toMatchObject({ redirect_uris: ['https://gw.example.com/mcp-oauth/callback'] })
  } finally {
    await running.stop()
  }
})

describe('what does not lead to a token', () => {
  test('a link of somebody else’s browser, a forged state, an answer that comes twice', async () => {
    keys.joe = (await gateway.keys.create({ name: 'joe', user: 'joe' })).text
    const joe = await connect('joe')
    const url = await pageOf(call(joe))
    const browser = new Browser()
    const callback = await browser.leave(url)
    // Another browser has another cookie, or none.
    expect((await new Browser().ask(callback)).status).toBe(400)
    const forged = new URL(callback)
    forged.searchParams.set('state', `${forged.searchParams.get('state')!.slice(0, -4)}AAAA`)
    expect((await browser.ask(forged.href)).status).toBe(400)
    const mixed = new URL(callback)
    mixed.searchParams.set('iss', 'https://evil.example')
    expect((await browser.ask(mixed.href)).status).toBe(400)
    expect((await browser.ask(callback)).text).toContain('is connected')
    expect((await browser.ask(callback)).status).toBe(400)
    expect((await browser.ask(url)).status).toBe(400)
    await joe.close()
  })

  test('pages that are none, forms that are too long, tickets of nobody', async () => {
    expect((await fetch(`${gateway.url}/mcp-oauth/nothing`)).status).toBe(404)
    expect((await fetch(`${gateway.url}/mcp-oauth/start?ticket=x`)).status).toBe(400)
    const body = new URLSearchParams({ ticket: 'x'.repeat(20_000) })
    expect((await fetch(`${gateway.url}/mcp-oauth/start`, { method: 'POST', body })).status).toBe(413)
    const page = await fetch(`${gateway.url}/mcp-oauth/start?ticket=x`)
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(page.headers.get('referrer-policy')).toBe('same-origin')
  })

  test('the client id metadata document says what the gateway is', async () => {
    const document = await fetch(`${gateway.url}/mcp-oauth/client.json`)
    expect(await document.json()).toMatchObject({
      client_id: `${publicUrl}/mcp-oauth/client.json`,
      redirect_uris: [`${publicUrl}/mcp-oauth/callback`],
    })
  })
})
