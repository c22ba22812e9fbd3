import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LastGood } from './last-good.ts'
import { MemoryRuleStore } from './memory-rule-store.ts'
import type { Revision } from './revision.ts'
import { RuleFollower } from './rule-follower.ts'
import { StoreError } from './rule-store.ts'
import { rulesNamed, until, validate } from './testing.ts'

let directory: string
let store: MemoryRuleStore
let follower: RuleFollower
let applied: number[]
let refused: [number, string][]
let failed: unknown[]
let apply: (revision: Revision) => Promise<string | undefined>

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-follower-'))
  store = new MemoryRuleStore(validate)
  applied = []
  refused = []
  failed = []
  apply = async () => undefined
  follower = make()
})
afterEach(() => {
  follower.stop()
  rmSync(directory, { recursive: true, force: true })
})

const lastGoodFile = () => join(directory, 'last-good.json')
const make = () =>
  new RuleFollower({
    store,
    lastGood: new LastGood(lastGoodFile()),
    apply: (revision) => apply(revision),
    events: {
      applied: ({ number }) => applied.push(number),
      refused: ({ number }, why) => refused.push([number, why]),
      failed: (error) => failed.push(error),
    },
  })
const publish = async (name: string) => {
  const parent = (await store.head())?.number ?? 0
  await store.publish(rulesNamed(name), { author: '', message: '', parent })
}

test('it begins with the head, and puts each new one into force', async () => {
  await publish('one')
  expect((await follower.first()).number).toBe(1)
  follower.follow()
  await publish('two')
  await until(() => applied.length === 1)
  expect(applied).toEqual([2])
  expect(new LastGood(lastGoodFile()).read()?.number).toBe(2)
})

test('heads that come while one is being applied are skipped but for the last, and never two at once', async () => {
  await publish('one')
  await follower.first()
  let running = 0
  let release: () => void = () => undefined
  apply = async () => {
    expect(++running).toBe(1)
    await new Promise<void>((resolve) => {
      release = resolve
    })
    running--
    return undefined
  }
  follower.follow()
  await publish('two')
  await until(() => running === 1)
  await publish('three')
  await publish('four')
  release()
  await until(() => applied.length === 1 && running === 1)
  release()
  await until(() => applied.length === 2)
  expect(applied).toEqual([2, 4])
})

test('a revision that cannot be put into force is told once, and the one before stays the last good one', async () => {
  await publish('one')
  await follower.first()
  apply = async () => 'Envoy refused it'
  follower.follow()
  await publish('two')
  await until(() => refused.length === 1)
  expect(refused).toEqual([[2, 'Envoy refused it']])
  expect(new LastGood(lastGoodFile()).read()?.number).toBe(1)
  apply = async () => undefined
  await publish('three')
  await until(() => applied.length === 1)
  expect(applied).toEqual([3])
})

test('without the store it begins with the last good revision', async () => {
  await publish('one')
  await follower.first()
  store.head = () => Promise.reject(new StoreError('Redis cannot be used: it does not answer.'))
  const another = make()
  expect((await another.first()).files).toEqual(rulesNamed('one'))
  expect(failed).toHaveLength(1)
})

test('without the store and without a last good revision, or with a damaged one, it cannot begin', async () => {
  store.head = () => Promise.reject(new StoreError('Redis cannot be used: it does not answer.'))
  await expect(follower.first()).rejects.toThrow(/does not answer/)
  writeFileSync(lastGoodFile(), '{"number":1}')
  await expect(follower.first()).rejects.toThrow(/does not answer/)
  expect(String(failed.at(-1))).toMatch(/damaged/)
})

test('an empty store says what to do', async () => {
  await expect(follower.first()).rejects.toThrow(/chaperone rules apply/)
})

test('a revision that cannot be fetched is tried again, and said once', async () => {
  await publish('one')
  await follower.first()
  const { revision } = store
  let failures = 2
  store.revision = (number) =>
    failures-- > 0
      ? Promise.reject(new StoreError('Redis cannot be used: it does not answer.'))
      : revision.call(store, number)
  follower.follow()
  await publish('two')
  await until(() => applied.length === 1)
  expect(failed).toHaveLength(1)
})

test('the file of the last good revision is private', async () => {
  await publish('one')
  await follower.first()
  expect(readFileSync(lastGoodFile(), 'utf8')).toContain('"number":1')
  const { mode } = await import('node:fs').then(({ statSync }) => statSync(lastGoodFile()))
  expect(mode & 0o777).toBe(0o600)
})
