import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileKeyStore } from './file-key-store.ts'
import type { KeyStoreError } from './key-store-error.ts'
import { keyStoreSuite } from './key-store-suite.ts'
import { MemoryKeyStore } from './memory-key-store.ts'

describe('memory', () => {
  keyStoreSuite(async (now) => {
    const store = new MemoryKeyStore(now)
    return { store, close: () => store.close() }
  }, 0)
})

describe('file', () => {
  let directory: string
  let path: string
  const reports: KeyStoreError[] = []
  const open = (now?: () => number) =>
    FileKeyStore.open(path, { everyMs: 5, report: (error) => reports.push(error), ...(now && { now }) })

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'chaperone-keys-'))
    path = join(directory, 'private', 'keys.json')
    reports.length = 0
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  describe('does what every store does', () => {
    keyStoreSuite(async (now) => {
      const store = await open(now)
      return { store, open: () => open(now), close: () => store.close() }
    }, 1000)
  })

  test('the file is private, holds no secret, and nothing else is left beside it', async () => {
    const store = await open()
    const { text } = await store.create({ name: 'k' })
    await store.close()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(directory, 'private')).mode & 0o777).toBe(0o700)
    expect(readFileSync(path, 'utf8')).not.toContain(text.slice(17))
    expect(readdirSync(join(directory, 'private'))).toEqual(['keys.json'])
    const again = await open()
    expect(again.directory().verify(text, Date.now())).toMatchObject({ name: 'k' })
    await again.close()
  })

  test('a file that is damaged later changes nothing, is reported, and is not written over', async () => {
    const store = await open()
    const { text } = await store.create({ name: 'k' })
    const good = readFileSync(path, 'utf8')
    const damaged = good.replace(/"hash":"[0-9a-f]{4}/, '"hash":"oops')
    writeFileSync(path, damaged)
    await expect.poll(() => reports.map((r) => r.message), { interval: 5 }).toHaveLength(1)
    expect(reports[0]!.message).toMatch(/keys\.json cannot be used: entry 1 of its keys is damaged/)
    await expect(store.create({ name: 'l' })).rejects.toMatchObject({ code: 'unavailable' })
    expect(readFileSync(path, 'utf8')).toBe(damaged)
    expect(store.directory().verify(text, Date.now())).toMatchObject({ name: 'k' })
    unlinkSync(path)
    await expect(store.list()).rejects.toMatchObject({ code: 'unavailable' })
    expect(store.directory().verify(text, Date.now())).toMatchObject({ name: 'k' })
    await store.close()
  })

  test.each(['', 'null', '[]', '{"version":2,"keys":[]}', '{"version":1,"keys":[{}]}'])(
    'a file that is none is not opened: %j',
    async (content) => {
      path = join(directory, 'keys.json')
      writeFileSync(path, content)
      await expect(open()).rejects.toMatchObject({ code: 'unavailable' })
    },
  )

  test('a lock whose holder has died is taken over', async () => {
    path = join(directory, 'keys.json')
    writeFileSync(`${path}.lock`, '')
    const longAgo = Date.now() / 1000 - 60
    utimesSync(`${path}.lock`, longAgo, longAgo)
    const store = await open()
    await store.create({ name: 'k' })
    expect(readdirSync(directory)).toEqual(['keys.json'])
    await store.close()
  })
})
