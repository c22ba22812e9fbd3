import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { a2a } from '../../config/a2a.ts'
import type { EgressResponse } from '../../mcp/server/egress.ts'
import { A2aError } from '../errors.ts'
import { CardSource, type Get } from './card-source.ts'

const card = (name: string) =>
  JSON.stringify({
    name,
    description: 'd',
    version: '1',
    supportedInterfaces: [{ url: 'https://p.example', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: {},
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [],
  })

const answer = (status: number, body: string, headers: Record<string, string> = {}): EgressResponse => ({
  status,
  headers,
  trailers: {},
  body: Readable.from([Buffer.from(body)]) as unknown as EgressResponse['body'],
})

/** A source whose agent answers as a test says, and whose clock stands where a test puts it. */
function source(rule: object, get: (url: URL, headers: ReadonlyMap<string, string>) => EgressResponse) {
  const asked: string[] = []
  const clock = { now: 0 }
  const agent = a2a.parse({ agents: { p: { url: 'https://p.example/base/', card: rule } } }).agents.p!
  const counted: Get = async (url, headers) => {
    asked.push(url.pathname)
    return get(url, new Map(headers))
  }
  const made = new CardSource(
    agent,
    counted,
    async () => undefined,
    () => clock.now,
  )
  return { asked, clock, name: async () => (await made.card()).card.name, made }
}

test('is asked for below the agent’s URL, and where it was in 0.3', async () => {
  const { asked, name } = source({}, ({ pathname }) =>
    pathname.endsWith('agent.json') ? answer(200, card('old')) : answer(404, ''),
  )
  expect(await name()).toBe('old')
  expect(asked).toEqual(['/base/.well-known/agent-card.json', '/base/.well-known/agent.json'])
})

test('is used as long as its headers say, by all who want it at once', async () => {
  const { asked, clock, name } = source({}, () => answer(200, card('p'), { 'cache-control': 'max-age=60' }))
  await Promise.all([name(), name(), name()])
  clock.now = 59_000
  await name()
  expect(asked).toHaveLength(1)
  clock.now = 61_000
  await name()
  expect(asked).toHaveLength(2)
})

test('is asked about when it may have changed, and not sent again where it has not', async () => {
  const { clock, name } = source({}, (_, headers) =>
    headers.get('if-none-match') === '"1"'
      ? answer(304, '')
      : answer(200, card('first'), { etag: '"1"', 'cache-control': 'max-age=1' }),
  )
  expect(await name()).toBe('first')
  clock.now = 5_000
  expect(await name()).toBe('first')
})

test('is used on while the agent is away, but not for ever, and not asked for each time', async () => {
  let away = false
  const { asked, clock, name } = source({ lifetime: '1s', maxLifetime: '1h' }, () => {
    if (away) throw new Error('refused')
    return answer(200, card('p'))
  })
  await name()
  away = true
  clock.now = 10_000
  expect(await name()).toBe('p')
  expect(await name()).toBe('p')
  expect(asked).toHaveLength(2)
  clock.now = 3_700_000
  await expect(name()).rejects.toMatchObject({ kind: 'unavailable' })
})

test('one that became wrong is not hidden by the one before it', async () => {
  let body = card('p')
  const { clock, name } = source({ lifetime: '1s' }, () => answer(200, body))
  await name()
  body = '{}'
  clock.now = 5_000
  await expect(name()).rejects.toMatchObject({ kind: 'invalidAgentResponse' })
})

test.each<[string, () => EgressResponse, string]>([
  ['none at all', () => answer(404, ''), 'unavailable'],
  ['another status', () => answer(302, '', { location: 'http://169.254.169.254/' }), 'unavailable'],
  ['one without end', () => answer(200, ' '.repeat(600_000)), 'invalidAgentResponse'],
  ['what is none', () => answer(200, '<html>'), 'invalidAgentResponse'],
])('%s', async (_, get, kind) => {
  const error = await source({}, get)
    .name()
    .catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(A2aError)
  expect(error).toMatchObject({ kind })
})

test('may be in a file', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-card-'))
  try {
    const file = join(directory, 'card.json')
    const { asked, clock, name } = source({ file, lifetime: '1s' }, () => answer(500, ''))
    await expect(name()).rejects.toMatchObject({ kind: 'unavailable' })
    writeFileSync(file, card('one'))
    clock.now = 3_000
    expect(await name()).toBe('one')
    writeFileSync(file, card('two'))
    clock.now = 5_000
    expect(await name()).toBe('two')
    expect(asked).toEqual([])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
