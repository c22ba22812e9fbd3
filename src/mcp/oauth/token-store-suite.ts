import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { TokenStore } from './token-store.ts'

/**
 * What every store of tokens does.
 * @param open opens the same store again and again: each is another process's view of it
 */
export function tokenStoreSuite(open: () => Promise<TokenStore>): void {
  const soon = () => Date.now() + 60_000

  test('what is set is there for all, until it is deleted', async () => {
    const [one, two] = [await open(), await open()]
    expect(await one.get('a')).toBeUndefined()
    await one.set('a', '1', soon())
    expect(await two.get('a')).toBe('1')
    await two.set('a', '2', soon())
    expect(await one.get('a')).toBe('2')
    expect(await one.delete('a')).toBe(true)
    expect(await two.get('a')).toBeUndefined()
    expect(await two.delete('a')).toBe(false)
    await Promise.all([one.close(), two.close()])
  })

  test('of many who add the same, one does', async () => {
    const stores = await Promise.all([open(), open(), open()])
    const added = await Promise.all(
      Array.from({ length: 12 }, (_, i) => stores[i % 3]!.add('once', String(i), soon()).then((won) => (won ? i : -1))),
    )
    const winners = added.filter((i) => i >= 0)
    expect(winners).toHaveLength(1)
    expect(await stores[0]!.get('once')).toBe(String(winners[0]))
    await Promise.all(stores.map((store) => store.close()))
  })

  test('only what is expected is deleted', async () => {
    const store = await open()
    await store.set('lock', 'mine', soon())
    expect(await store.delete('lock', 'theirs')).toBe(false)
    expect(await store.get('lock')).toBe('mine')
    expect(await store.delete('lock', 'mine')).toBe(true)
    expect(await store.add('lock', 'theirs', soon())).toBe(true)
    await store.close()
  })

  test('what is over is not there, and can be added anew', async () => {
    const store = await open()
    await store.set('short', '1', Date.now() + 20)
    await sleep(30)
    expect(await store.get('short')).toBeUndefined()
    expect(await store.delete('short')).toBe(false)
    expect(await store.add('short', '2', soon())).toBe(true)
    expect(await store.get('short')).toBe('2')
    await store.close()
  })
}
