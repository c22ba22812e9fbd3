import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RuleFile } from '../config/load.ts'
import type { RevisionMeta } from './revision.ts'
import { type RuleStore, StoreError, type Validate } from './rule-store.ts'

/** What every RuleStore does. */

export const rulesNamed = (name: string): RuleFile[] => [{ name: 'rules.yaml', text: `# ${name}\n` }]

/** Takes everything but texts that hold `wrong`. */
export const validate: Validate = (files) =>
  files
    .filter(({ text }) => text.includes('wrong'))
    .map(({ name }) => ({ file: name, line: 1, column: 1, path: '', message: 'it is wrong' }))

const by = (parent: number, message = 'm') => ({ author: 'ann', message, parent })

/** @param make a new and empty store; called again within a test, another view of the same one */
export function describeRuleStore(
  name: string,
  make: () => Promise<{ store: RuleStore; another(): RuleStore; end(): Promise<void> }>,
): void {
  describe(name, () => {
    let store: RuleStore
    let another: () => RuleStore
    let end: () => Promise<void>
    beforeEach(async () => {
      ;({ store, another, end } = await make())
    })
    afterEach(() => end())

    test('is empty first', async () => {
      expect(await store.head()).toBeUndefined()
      expect(await store.revision(1)).toBeUndefined()
      expect(await store.history()).toEqual([])
    })

    test('keeps what was published, as it was', async () => {
      const outcome = await store.publish(rulesNamed('one'), by(0, 'first'))
      expect(outcome).toMatchObject({
        type: 'published',
        revision: { number: 1, author: 'ann', message: 'first', parent: 0 },
      })
      await store.publish(rulesNamed('two'), by(1, 'second'))
      expect(await store.head()).toMatchObject({ number: 2, message: 'second', parent: 1 })
      expect((await store.revision(1))?.files).toEqual(rulesNamed('one'))
      expect((await another().revision(2))?.files).toEqual(rulesNamed('two'))
      expect((await store.head())?.hash).toMatch(/^[0-9a-f]{64}$/)
    })

    test('of two editors at once one wins, and the other is told', async () => {
      await store.publish(rulesNamed('one'), by(0))
      const other = another()
      const outcomes = [await store.publish(rulesNamed('mine'), by(1)), await other.publish(rulesNamed('yours'), by(1))]
      expect(outcomes).toMatchObject([{ type: 'published' }, { type: 'conflict', head: { number: 2 } }])
      expect((await store.revision(2))?.files).toEqual(rulesNamed('mine'))
    })

    test('the same content again is no revision', async () => {
      await store.publish(rulesNamed('one'), by(0))
      expect(await store.publish(rulesNamed('one'), by(1))).toMatchObject({ type: 'unchanged', head: { number: 1 } })
      expect(await store.history()).toHaveLength(1)
    })

    test('what is wrong is not published', async () => {
      expect(await store.publish(rulesNamed('wrong'), by(0))).toMatchObject({
        type: 'invalid',
        diagnostics: [{ file: 'rules.yaml' }],
      })
      expect(await store.head()).toBeUndefined()
      await expect(store.publish([], by(0))).rejects.toThrow(StoreError)
      await expect(store.publish([{ name: 'a', text: 'x'.repeat(5_000_000) }], by(0))).rejects.toThrow(/longer/)
    })

    test('history goes back page by page', async () => {
      for (let i = 0; i < 5; i++) await store.publish(rulesNamed(`r${i}`), by(i, `m${i}`))
      expect((await store.history({ limit: 2 })).map(({ number }) => number)).toEqual([5, 4])
      expect((await store.history({ before: 4, limit: 10 })).map(({ message }) => message)).toEqual(['m2', 'm1', 'm0'])
    })

    test('a watch tells of the head there is, and of new ones of others, within a second', async () => {
      await store.publish(rulesNamed('one'), by(0))
      const heads: RevisionMeta[] = []
      const stop = another().watch((head) => heads.push(head))
      await until(() => heads.length === 1 || store.constructor.name === 'MemoryRuleStore')
      const began = performance.now()
      await store.publish(rulesNamed('two'), by(1))
      await until(() => heads.at(-1)?.number === 2)
      expect(performance.now() - began).toBeLessThan(1_000)
      stop()
      await store.publish(rulesNamed('three'), by(2))
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(heads.at(-1)?.number).toBe(2)
    })
  })
}

export async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not come true in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
