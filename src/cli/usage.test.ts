import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startApi } from '../api/server.ts'
import { MemoryKeyStore } from '../identity/memory-key-store.ts'
import { recordOf } from '../telemetry/testing.ts'
import { MemoryBooks } from '../usage/memory-books.ts'
import { batchOf } from '../usage/testing.ts'
import { explain } from './explain.ts'
import { usage } from './usage.ts'

/** Usage and decisions of a service that has no store. */
let api: Awaited<ReturnType<typeof startApi>>
let written = ''
let complaints = ''
const write = (text: string) => {
  written += text
}

beforeEach(async () => {
  const books = new MemoryBooks()
  await books.write(batchOf([recordOf({ requestId: 'r1', requestModel: 'alias' })]))
  const keys = new MemoryKeyStore()
  api = await startApi({
    address: '127.0.0.1',
    port: 0,
    keys,
    validate: () => [],
    books,
    explainer: { request: () => [], decision: async () => [{ rule: 'limits.rpm', says: 'had room, and counted it' }] },
    audit: () => undefined,
    report: () => undefined,
  })
  vi.stubEnv('CHAPERONE_TOKEN', (await keys.create({ name: 'cli', role: 'viewer' })).text)
  written = complaints = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    complaints += String(text)
    return true
  })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  await api.stop()
})

const days = { from: '2026-01-01', to: '2026-01-03', tenant: 'default' }

test('is asked of its API', async () => {
  const options = { ...days, api: api.url.replace('http://', ''), by: ['day', 'provider'] as const }
  expect(await usage({ ...options, by: [...options.by], output: 'text' }, write)).toBe(0)
  expect(written.split('\n').map((line) => line.split(/ +/))).toEqual([
    ['DAY', 'PROVIDER', 'REQUESTS', 'INPUT', 'CACHED', 'OUTPUT', 'REASONING', 'USD'],
    ['2026-01-02', 'openai', '1', '1000', '600', '91', '40', '0.2500'],
    [''],
  ])
  written = ''
  expect(await explain('r1', { tenant: 'default', api: api.url, output: 'text' }, write)).toBe(0)
  expect(written).toContain('asked     chat alias\n')
  expect(written).toContain('  limits.rpm: had room, and counted it\n')
})

test('what goes wrong is said', async () => {
  expect(await usage({ ...days, output: 'text' }, write)).toBe(1)
  expect(await usage({ ...days, api: '127.0.0.1:1', output: 'text' }, write)).toBe(1)
  expect(await explain('none', { tenant: 'default', api: api.url, output: 'text' }, write)).toBe(1)
  vi.stubEnv('CHAPERONE_TOKEN', 'wrong')
  expect(await usage({ ...days, api: api.url, output: 'text' }, write)).toBe(1)
  expect(complaints.split('\n')).toEqual([
    expect.stringContaining('(--api, CHAPERONE_API)'),
    expect.stringContaining('The API at 127.0.0.1:1 cannot be reached: '),
    'The API refuses: There is no decision about this request, or it is too old.',
    'The API refuses: This key is not valid here. Ask an admin for one with a role.',
    '',
  ])
})
