import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digest } from './digest.ts'
import { FilePinStore } from './file-pin-store.ts'
import { MemoryPinStore } from './memory-pin-store.ts'
import type { PinStoreError } from './pin-store-error.ts'
import { pinStoreSuite } from './pin-store-suite.ts'
import { toolNamed, waitingFor } from './testing.ts'

describe('memory', () => {
  pinStoreSuite(async (now) => {
    const store = new MemoryPinStore(now)
    return { store, close: () => store.close() }
  }, 0)
})

describe('file', () => {
  let directory: string
  let path: string
  const reports: PinStoreError[] = []
  const open = (now?: () => number) =>
    FilePinStore.open(path, { everyMs: 5, report: (error) => reports.push(error), ...(now && { now }) })
  const read = toolNamed('read')

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'chaperone-pins-'))
    path = join(directory, 'private', 'pins.json')
    reports.length = 0
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  describe('does what every store does', () => {
    pinStoreSuite(async (now) => {
      const store = await open(now)
      return { store, open: () => open(now), close: () => store.close() }
    }, 1000)
  })

  test('the file is private, nothing is left beside it, and another start reads it', async () => {
    const store = await open()
    await store.see('files', [waitingFor(read)])
    await store.approve('files', [{ tool: 'read', digest: digest(read) }], { by: 'ann' })
    await store.close()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(directory, 'private'))).toEqual(['pins.json'])
    const again = await open()
    expect(again.pins('files').approved.get('read')?.definition).toEqual(read)
    await again.close()
  })

  test('a file that is damaged or lost later changes nothing, is reported, and is not written over', async () => {
    const store = await open()
    await store.see('files', [waitingFor(read)])
    await store.approve('files', [{ tool: 'read', digest: digest(read) }], { by: 'ann' })
    const damaged = readFileSync(path, 'utf8').replace(/"digest":"[0-9a-f]{4}/, '"digest":"oops')
    writeFileSync(path, damaged)
    await expect.poll(() => reports.map(({ message }) => message), { interval: 5 }).toHaveLength(1)
    expect(reports[0]!.message).toMatch(/pins\.json cannot be used: entry 1 of its servers is damaged/)
    await expect(store.see('files', [waitingFor(toolNamed('write'))])).rejects.toMatchObject({ code: 'unavailable' })
    expect(readFileSync(path, 'utf8')).toBe(damaged)
    unlinkSync(path)
    await expect(store.list()).rejects.toMatchObject({ code: 'unavailable' })
    expect(store.pins('files').approved.size).toBe(1)
    await store.close()
  })

  test.each(['', 'null', '[]', '{"version":2,"servers":[]}', '{"version":1,"servers":[{}]}'])(
    'a file that is none is not opened: %j',
    async (content) => {
      path = join(directory, 'pins.json')
      writeFileSync(path, content)
      await expect(open()).rejects.toMatchObject({ code: 'unavailable' })
    },
  )
})
