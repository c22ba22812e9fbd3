import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FileRuleStore } from './file-rule-store.ts'
import { readRuleFiles } from './files.ts'
import { MemoryRuleStore } from './memory-rule-store.ts'
import { describeRuleStore, rulesNamed, validate } from './testing.ts'

let directory: string
let count = 0
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-rules-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describeRuleStore('memory', async () => {
  const store = new MemoryRuleStore(validate)
  return { store, another: () => store, end: () => store.close() }
})

describeRuleStore('file', async () => {
  const path = join(directory, String(++count), 'rules.yaml')
  const stores = [new FileRuleStore(path, validate)]
  return {
    store: stores[0]!,
    another: () => {
      const store = new FileRuleStore(path, validate)
      stores.push(store)
      return store
    },
    end: async () => {
      for (const store of stores) await store.close()
    },
  }
})

test('an edit in place becomes a revision, and can be taken back', async () => {
  const path = join(directory, 'edited.yaml')
  const store = new FileRuleStore(path, validate)
  await store.publish(rulesNamed('one'), { author: 'ann', message: 'm', parent: 0 })
  writeFileSync(path, '# two\n')
  expect(await store.head()).toMatchObject({ number: 2, message: 'edited in place' })
  const first = await store.revision(1)
  await store.publish(first!.files, { author: 'ann', message: 'back', parent: 2 })
  expect(readFileSync(path, 'utf8')).toBe('# one\n')
  expect((await store.history()).map(({ number, message }) => [number, message])).toEqual([
    [3, 'back'],
    [2, 'edited in place'],
    [1, 'm'],
  ])
})

test('a directory is published whole: files that are gone are taken away, tests stay', async () => {
  const path = mkdtempSync(join(directory, 'several-'))
  writeFileSync(join(path, 'a.yaml'), '# a\n')
  writeFileSync(join(path, 'b.yml'), '# b\n')
  writeFileSync(join(path, 'a.test.yaml'), 'tests: []\n')
  expect(readRuleFiles(path).map(({ name }) => name)).toEqual(['a.yaml', 'b.yml'])
  const store = new FileRuleStore(path, validate)
  const head = await store.head()
  await store.publish([{ name: 'c.yaml', text: '# c\n' }], { author: '', message: '', parent: head!.number })
  expect(readRuleFiles(path)).toEqual([{ name: 'c.yaml', text: '# c\n' }])
  expect(readFileSync(join(path, 'a.test.yaml'), 'utf8')).toBe('tests: []\n')
  await expect(
    store.publish([{ name: '../out.yaml', text: '' }], { author: '', message: '', parent: 2 }),
  ).rejects.toThrow(/no name of a file/)
})
