import { getMaxListeners, setMaxListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { mcp } from '../config/mcp.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import { Access, type Judge } from './access.ts'
import { ServerUnavailable } from './errors.ts'
import { Federation, type ListPosition } from './federation.ts'
import { Names } from './names.ts'
import type { JsonObject } from './protocol.ts'
import type { Link } from './server/link.ts'
import { type Caller, McpServer } from './server/server.ts'

/** What a server of the test has; it may be away. */
interface Has {
  tools?: string[]
  prompts?: string[]
  resources?: string[]
  away?: boolean
}

function serverOf(name: string, has: Has, asked: string[] = []): McpServer {
  const rule = mcp.parse({ servers: { [name]: { type: 'http', url: 'http://127.0.0.1/mcp' } } }).servers[name]!
  const link: Link = {
    info: { era: 'modern', version: '2026-07-28', capabilities: { tools: {}, prompts: {}, resources: {} } },
    async request(method, params) {
      asked.push(`${method} ${String(params.name ?? params.uri ?? '')}`)
      if (has.away) throw new ServerUnavailable(name, 'away')
      const page = (items: string[] = [], make: (item: string) => JsonObject): JsonObject[] => items.map(make)
      if (method === 'tools/list')
        return { tools: page(has.tools, (tool) => ({ name: tool, inputSchema: { type: 'object' } })) }
      if (method === 'prompts/list') return { prompts: page(has.prompts, (prompt) => ({ name: prompt })) }
      if (method === 'resources/list') return { resources: page(has.resources, (uri) => ({ uri, name: uri })) }
      return { content: [] }
    },
    notify: async () => undefined,
    listen: async () => undefined,
  }
  return new McpServer(name, rule, { type: 'link', link: () => link }, { headers: () => [], refused: () => false })
}

function federationOf(servers: McpServer[], rules: Record<string, object> = {}, judge?: Judge): Federation {
  const parsed = mcp.parse({
    servers: Object.fromEntries(
      servers.map(({ name }) => [name, { type: 'http', url: 'http://127.0.0.1/mcp', ...rules[name] }]),
    ),
  })
  const names = new Names(servers.map(({ name }) => ({ name, prefix: name, rename: new Map() })))
  const access = new Access(new Map(Object.entries(parsed.servers)), judge ?? (() => ({ allowed: true })), () => false)
  return new Federation(servers, names, access, { listed: (_, tools) => tools, mayCall: () => true })
}

const caller: Caller = {
  identity: makeIdentity('anonymous', 'anonymous', {}, {}),
  identityKey: 'a',
  listener: 'default',
  token: undefined,
  capabilities: {},
  clientInfo: {},
  trace: {},
  sessions: undefined,
}
const signal = new AbortController().signal

async function pageOf(federation: Federation, from: ListPosition | undefined, size: number) {
  const { items, next } = await federation.list('tools', caller, from, size, signal)
  return { names: items.map(({ name }) => String(name)), next }
}

describe('a list that goes on while servers come and go', () => {
  const all = { a: ['1', '2', '3'], b: ['1', '2', '3', '4'], c: ['1'], d: ['1', '2'] }
  const whole = Object.entries(all).flatMap(([name, tools]) => tools.map((tool) => `${name}_${tool}`))

  test('has each entry of those that stay once, in the order of the rules', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 6 }),
        fc.subarray(['a', 'b', 'c', 'd']),
        fc.constantFrom('away', 'out of the rules'),
        async (size, leavesAfter, gone, how) => {
          const shown: string[] = []
          let from: ListPosition | undefined
          let pages = 0
          do {
            const left = pages >= leavesAfter
            const servers = Object.entries(all)
              .filter(([name]) => !left || how === 'away' || !gone.includes(name))
              .map(([name, tools]) => serverOf(name, { tools, away: left && gone.includes(name) }))
            const page = await pageOf(federationOf(servers), from, size)
            expect(page.names.length).toBeLessThanOrEqual(size)
            shown.push(...page.names)
            from = page.next
            pages++
          } while (from && pages < 50)
          expect(from).toBeUndefined()
          expect(new Set(shown).size).toBe(shown.length)
          expect(shown).toEqual(whole.filter((name) => shown.includes(name)))
          for (const name of whole) if (!gone.includes(name[0]!)) expect(shown).toContain(name)
        },
      ),
    ))

  test('goes on behind the same entry where the server has others before it now', async () => {
    const first = await pageOf(federationOf([serverOf('a', { tools: ['1', '2', '3'] })]), undefined, 2)
    const later = federationOf([serverOf('a', { tools: ['0', '1', '2', '2b', '3'] })])
    expect((await pageOf(later, first.next, 9)).names).toEqual(['a_2b', 'a_3'])
  })
})

describe('what the rules do not show', () => {
  const has: Has = {
    tools: ['look', 'drop'],
    prompts: ['plain', 'secret'],
    resources: ['file:///docs/a', 'file:///etc/passwd'],
  }
  const listsOf = async (federation: Federation) =>
    Promise.all(
      (['tools', 'prompts', 'resources'] as const).map(async (kind) =>
        (await federation.list(kind, caller, undefined, 100, signal)).items.map(({ name, uri }) => uri ?? name),
      ),
    )
  const uses = [
    ['tools/call', { name: 's_drop' }],
    ['prompts/get', { name: 's_secret' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 's_secret' } }],
    ['resources/read', { uri: 's+file:///etc/passwd' }],
    ['resources/subscribe', { uri: 's+file:///etc/passwd' }],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 's+file:///etc/passwd' } }],
  ] as const

  test.each([
    [
      'its lists',
      federationOf([serverOf('s', has)], {
        s: { tools: { deny: ['drop'] }, prompts: ['plain'], resources: ['file:///docs/*'] },
      }),
    ],
    [
      'policies',
      federationOf([serverOf('s', has)], {}, (_, { method, name }) =>
        (method === 'tools/call' && name === 'drop') ||
        (method === 'prompts/get' && name === 'secret') ||
        (method === 'resources/read' && name.startsWith('file:///etc/'))
          ? { allowed: false, message: '' }
          : { allowed: true },
      ),
    ],
  ])('by %s is neither listed nor usable, in whatever way', async (_, federation) => {
    expect(await listsOf(federation)).toEqual([['s_look'], ['s_plain'], ['s+file:///docs/a']])
    for (const [method, params] of uses)
      await expect(federation.route(method, params, caller, signal)).rejects.toThrow(/Unknown|not found/)
    await expect(federation.route('tools/call', { name: 's_look' }, caller, signal)).resolves.toBeDefined()
    await expect(federation.route('resources/read', { uri: 's+file:///docs/a' }, caller, signal)).resolves.toBeDefined()
  })

  test.each([
    'file:///docs/../etc/passwd',
    'file:///docs/%2e%2e/etc/passwd',
    'file:///docs/.%2E/etc/passwd',
    'file:///docs/..%2fetc/passwd',
    'file:///docs/%252e%252e/etc/passwd',
    'file:///docs/..\\etc\\passwd',
    'file:///docs/a/..',
    'file:///docs/./a',
  ])('is not reached by %s', async (uri) => {
    const federation = federationOf([serverOf('s', has)], { s: { resources: ['file:///docs/*'] } })
    for (const method of ['resources/read', 'resources/subscribe'])
      await expect(federation.route(method, { uri: `s+${uri}` }, caller, signal)).rejects.toThrow('not found')
  })

  test.each(['file:///docs/a..b', 'file:///docs/...', 'file:///docs/.hidden', 'mem:..x'])(
    '%s climbs nowhere',
    async (uri) => {
      const federation = federationOf([serverOf('s', has)])
      await expect(federation.route('resources/read', { uri: `s+${uri}` }, caller, signal)).resolves.toMatchObject({
        params: { uri },
      })
    },
  )
})

test('a call leaves no timer behind', async () => {
  vi.useFakeTimers()
  try {
    const before = vi.getTimerCount()
    const federation = federationOf([serverOf('s', { tools: ['look'] })])
    const started = vi.getTimerCount()
    const hooks = { notified: () => undefined, asked: async () => ({}), takesInputRequired: false, signal }
    const routed = await federation.route('tools/call', { name: 's_look' }, caller, signal)
    await federation.call(routed, caller, hooks, () => undefined)
    expect(vi.getTimerCount()).toBe(started)
    expect(before).toBeLessThanOrEqual(started)
  } finally {
    vi.useRealTimers()
  }
})

test('many servers wait with one client, and nobody is warned of a leak', async () => {
  const names = Array.from({ length: 30 }, (_, i) => `s${i}`)
  const federation = federationOf(names.map((name) => serverOf(name, { tools: ['look'] })))
  const client = new AbortController()
  setMaxListeners(10, client.signal)
  const { items } = await federation.list('tools', caller, undefined, 100, client.signal)
  expect(items).toHaveLength(30)
  // Node warns of more than ten listeners, unless it is told that there may be any number.
  expect(getMaxListeners(client.signal)).toBe(0)
})
