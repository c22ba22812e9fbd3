import { afterEach, beforeEach, expect, test } from 'vitest'
import type { KeyRecord } from './key-record.ts'
import type { KeyStore } from './key-store.ts'

/** A store of the suite's own, and what the suite needs to know about it. */
export interface StoreUnderTest {
  readonly store: KeyStore
  /** Another store upon the same keys, as another process would open it; undefined where no other can see them. */
  open?(): Promise<KeyStore>
  close(): Promise<void>
}

const minute = 60_000

/**
 * What every key store does. To be called within a `describe`.
 * @param setUp opens an empty store whose time is `now`
 * @param withinMs how soon other stores obey a change
 */
export function keyStoreSuite(setUp: (now: () => number) => Promise<StoreUnderTest>, withinMs: number): void {
  let nowMs = Date.UTC(2026, 0, 1)
  let subject: StoreUnderTest
  let store: KeyStore
  const verify = (text: string) => store.directory().verify(text, nowMs)

  beforeEach(async () => {
    nowMs = Date.UTC(2026, 0, 1)
    subject = await setUp(() => nowMs)
    store = subject.store
  })
  afterEach(async () => await subject.close())

  test('a key that was made is known at once, by its record', async () => {
    const { record, text } = await store.create({
      name: 'ci',
      user: 'ann',
      team: 'search',
      organization: 'acme',
      models: ['gpt-*'],
      servers: ['github'],
      role: 'editor',
      createdBy: 'bob',
      expiresAt: nowMs + minute,
    })
    expect(record).toEqual({
      id: text.slice(4, 16),
      name: 'ci',
      user: 'ann',
      team: 'search',
      organization: 'acme',
      models: ['gpt-*'],
      servers: ['github'],
      role: 'editor',
      createdBy: 'bob',
      createdAt: nowMs,
      expiresAt: nowMs + minute,
      lastFour: text.slice(-4),
    })
    expect(verify(text)).toEqual(record)
    expect(await store.get(record.id)).toEqual(record)
    expect(await store.get('000000000000')).toBeUndefined()
    expect(store.directory().loaded).toBe(true)
  })

  test('a key that cannot be granted is not made', async () => {
    const refused = { code: 'invalid' }
    await expect(store.create({ name: '' })).rejects.toMatchObject(refused)
    await expect(store.create({ name: 'x', expiresAt: nowMs })).rejects.toMatchObject(refused)
    await expect(store.create({ name: 'x', models: ['a*b'] })).rejects.toMatchObject(refused)
    await expect(store.create({ name: 'x', team: 'no team' })).rejects.toMatchObject(refused)
    expect((await store.list()).keys).toEqual([])
  })

  test('a revoked key is refused at once and for good', async () => {
    const { record, text } = await store.create({ name: 'k' })
    nowMs += 5
    expect(await store.revoke(record.id)).toMatchObject({ id: record.id, revokedAt: nowMs })
    expect(verify(text)).toBe('revoked')
    const revokedAt = nowMs
    nowMs += 5
    expect((await store.revoke(record.id)).revokedAt).toBe(revokedAt)
    await expect(store.rotate(record.id)).rejects.toMatchObject({ code: 'revoked' })
  })

  test('what is not there can be neither revoked nor rotated', async () => {
    await expect(store.revoke('000000000000')).rejects.toMatchObject({ code: 'not_found' })
    await expect(store.rotate('000000000000')).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a rotated key is the same key; its old text works until its grace is over', async () => {
    const first = await store.create({ name: 'k', team: 'search' })
    const second = await store.rotate(first.record.id, { graceMs: minute })
    expect(second.record).toMatchObject({
      id: first.record.id,
      team: 'search',
      rotatedAt: nowMs,
      rotatedFrom: first.record.lastFour,
      graceUntil: nowMs + minute,
      lastFour: second.text.slice(-4),
    })
    expect(verify(first.text)).toEqual(second.record)
    expect(verify(second.text)).toEqual(second.record)
    nowMs += minute
    expect(verify(first.text)).toBe('replaced')
    expect(verify(second.text)).toEqual(second.record)
  })

  test('only the latest replaced text has a grace; none has where the key leaked', async () => {
    const first = await store.create({ name: 'k' })
    const second = await store.rotate(first.record.id)
    const third = await store.rotate(first.record.id)
    expect(verify(first.text)).toBe('wrong')
    expect(verify(second.text)).toEqual(third.record)
    const fourth = await store.rotate(first.record.id, { graceMs: 0 })
    expect(verify(third.text)).toBe('replaced')
    expect(verify(fourth.text)).toEqual(fourth.record)
    await expect(store.rotate(first.record.id, { graceMs: -1 })).rejects.toMatchObject({ code: 'invalid' })
    await store.revoke(first.record.id)
    expect(verify(fourth.text)).toBe('revoked')
  })

  test('rotation gives an expiring key as long a life again, and its old text none', async () => {
    const first = await store.create({ name: 'k', expiresAt: nowMs + 10 * minute })
    nowMs += 9 * minute
    const second = await store.rotate(first.record.id, { graceMs: 5 * minute })
    expect(second.record).toMatchObject({ expiresAt: nowMs + 10 * minute, graceUntil: nowMs + minute })
    nowMs += 20 * minute
    expect(verify(second.text)).toBe('expired')
    const third = await store.rotate(first.record.id, { expiresAt: nowMs + 1 })
    expect(verify(second.text)).toBe('replaced')
    expect(verify(third.text)).toEqual(third.record)
    nowMs += 1
    expect(verify(third.text)).toBe('expired')
  })

  test('lists are paged, oldest first, and can be narrowed', async () => {
    const made: KeyRecord[] = []
    for (let i = 0; i < 5; i++) {
      const { record } = await store.create({
        name: `k${i}`,
        team: i % 2 ? 'odd' : 'even',
        user: `u${i}`,
        ...(i === 3 && { expiresAt: nowMs + minute }),
      })
      made.push(record)
      // Two are made in the same millisecond.
      if (i !== 1) nowMs += 1
    }
    await store.revoke(made[4]!.id)
    nowMs += minute
    const names = async (query: Parameters<KeyStore['list']>[0]) =>
      (await store.list(query)).keys.map(({ name }) => name).sort()
    expect(await names({ team: 'odd' })).toEqual(['k1', 'k3'])
    expect(await names({ user: 'u2' })).toEqual(['k2'])
    expect(await names({ organization: 'none' })).toEqual([])
    expect(await names({ state: 'active' })).toEqual(['k0', 'k1', 'k2'])
    expect(await names({ state: 'expired' })).toEqual(['k3'])
    expect(await names({ state: 'revoked' })).toEqual(['k4'])

    const seen: string[] = []
    let cursor: string | undefined
    let pages = 0
    do {
      const page = await store.list({ limit: 2, cursor })
      expect(page.keys.length).toBeLessThanOrEqual(2)
      seen.push(...page.keys.map(({ id }) => id))
      cursor = page.next
    } while (cursor !== undefined && ++pages < 10)
    expect([...seen].sort()).toEqual(made.map(({ id }) => id).sort())
    expect([seen[0], seen[3], seen[4]]).toEqual([made[0]!.id, made[3]!.id, made[4]!.id])
    await expect(store.list({ limit: 0 })).rejects.toMatchObject({ code: 'invalid' })
    await expect(store.list({ cursor: 'elsewhere' })).rejects.toMatchObject({ code: 'invalid' })
  })

  test('what is listed holds no hash of a secret', async () => {
    const { record } = await store.create({ name: 'k' })
    await store.rotate(record.id)
    expect(JSON.stringify([await store.list(), await store.get(record.id)])).not.toMatch(/[0-9a-f]{64}/)
  })

  test('watchers are told of changes until they end their watch', async () => {
    const told: string[] = []
    const end = store.watch((ids) => told.push(...ids))
    const { record } = await store.create({ name: 'k' })
    expect(told).toEqual([record.id])
    end()
    await store.revoke(record.id)
    expect(told).toEqual([record.id])
  })

  test('changes made at once are all kept', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, (_, i) => store.create({ name: `k${i}` })))
    await Promise.all(made.slice(0, 10).map(({ record }) => store.revoke(record.id)))
    expect(made.map(({ text }) => typeof verify(text))).toEqual([
      ...Array<string>(10).fill('string'),
      ...Array<string>(10).fill('object'),
    ])
  })

  test('other stores upon the same keys obey', async ({ skip }) => {
    if (!subject.open) return skip('nobody else can see these keys')
    const other = await subject.open()
    try {
      const { record, text } = await store.create({ name: 'k' })
      const seenByOther = () => other.directory().verify(text, nowMs)
      await expect.poll(seenByOther, { interval: 5, timeout: withinMs }).toEqual(record)
      await store.revoke(record.id)
      await expect.poll(seenByOther, { interval: 5, timeout: withinMs }).toBe('revoked')

      const both = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 ? store : other).create({ name: 'k' })),
      )
      const ids = new Set((await store.list()).keys.map(({ id }) => id))
      expect(both.filter((issued) => !ids.has(issued.record.id))).toEqual([])
    } finally {
      await other.close()
    }
  })
}
