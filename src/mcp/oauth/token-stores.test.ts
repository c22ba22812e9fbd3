import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileTokenStore } from './file-token-store.ts'
import { MemoryTokenStore } from './memory-token-store.ts'
import type { TokenStore } from './token-store.ts'
import { tokenStoreSuite } from './token-store-suite.ts'

describe('memory', () => {
  let store: TokenStore
  beforeEach(() => {
    store = new MemoryTokenStore()
  })
  tokenStoreSuite(async () => store)

  test('is bounded: what is over goes first, then what is oldest', async () => {
    let now = 0
    const small = new MemoryTokenStore(() => now, 2)
    await small.set('a', '1', 1000)
    await small.set('b', '1', 10)
    now = 10
    await small.set('c', '1', 1000)
    expect(await small.get('a')).toBe('1')
    await small.set('d', '1', 1000)
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((key) => small.get(key)))).toEqual([
      undefined,
      undefined,
      '1',
      '1',
    ])
  })
})

describe('file', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'chaperone-tokens-'))
    path = join(directory, 'private', 'mcp-tokens.json')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))
  tokenStoreSuite(async () => new FileTokenStore(path))

  test('is private, leaves nothing beside it, and is there after a start', async () => {
    await new FileTokenStore(path).set('a', 'sealed', Date.now() + 60_000)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(directory, 'private'))).toEqual(['mcp-tokens.json'])
    expect(await new FileTokenStore(path).get('a')).toBe('sealed')
  })

  test.each(['', '[]', 'null', '{"version":2,"entries":{}}'])(
    'one that is none is not written over: %j',
    async (text) => {
      path = join(directory, 'tokens.json')
      writeFileSync(path, text)
      const store = new FileTokenStore(path)
      await expect(store.get('a')).rejects.toMatchObject({ name: 'TokenStoreError' })
      await expect(store.set('a', '1', Date.now() + 1000)).rejects.toMatchObject({ name: 'TokenStoreError' })
      expect(readFileSync(path, 'utf8')).toBe(text)
      expect(readdirSync(directory)).toEqual(['tokens.json'])
    },
  )

  test('a damaged entry is left out', async () => {
    path = join(directory, 'tokens.json')
    const untilMs = Date.now() + 60_000
    writeFileSync(path, JSON.stringify({ version: 1, entries: { a: 7, b: ['x'], c: ['good', untilMs], d: [1, 2] } }))
    const store = new FileTokenStore(path)
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((key) => store.get(key)))).toEqual([
      undefined,
      undefined,
      'good',
      undefined,
    ])
  })
})
