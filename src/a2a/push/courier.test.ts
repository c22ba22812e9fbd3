import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { Box } from './box.ts'
import { Courier, type CourierRules } from './courier.ts'
import { Dispatch } from './dispatch.ts'
import type { Outcome } from './post.ts'
import type { NotificationRecord } from './record.ts'
import type { Registration } from './registration.ts'
import { newCallbackId } from './store/marks.ts'
import { MemoryPushStore } from './store/memory-push-store.ts'

const registration: Registration = {
  ...{ agent: 'planner', owner: 'key:ann', config: 'c', url: 'https://hooks.example.org/x', version: '1.0', proof: '' },
  asker: { listener: 'default', path: '/', identity: { kind: 'anonymous', subject: 'anonymous', claims: {} } },
}
const key = { id: 'k', secret: randomBytes(32) }

let now: number
let store: MemoryPushStore
let records: NotificationRecord[]
let reports: unknown[]
let couriers: Courier[]
const box = new Box([key])

beforeEach(() => {
  now = Date.now()
  store = new MemoryPushStore({ now: () => now })
  records = []
  reports = []
  couriers = []
})
afterEach(() => Promise.all(couriers.map((courier) => courier.stop(0))))

/** @param outcomes of the tries, in order; the last one for all that follow */
function start(outcomes: readonly (Outcome | Error)[], more: Partial<CourierRules> & { guarded?: boolean } = {}) {
  const sent: { headers: Record<string, string>; body: JsonObject }[] = []
  const post = async (_: string, headers: Readonly<Record<string, string>>, body: string): Promise<Outcome> => {
    const outcome = outcomes[Math.min(sent.length, outcomes.length - 1)]!
    sent.push({ headers: { ...headers }, body: JSON.parse(body) as JsonObject })
    if (outcome instanceof Error) throw outcome
    return outcome
  }
  const guards = {
    ...{ onRequest: false, onResponse: true },
    response: (texts: readonly string[]) => {
      if (texts.some((text) => text.includes('secret')))
        throw new A2aError('permissionDenied', 'no', { rule: 'guards.words' })
      return texts
    },
  }
  const dispatch = new Dispatch({
    poster: { post },
    guards: () => (more.guarded ? (guards as never) : undefined),
    signer: undefined,
  })
  const courier = new Courier(
    store,
    (record) => records.push(record),
    (error) => reports.push(error),
  )
  couriers.push(courier)
  courier.use({ box, dispatch, attempts: 3, retentionMs: 60_000, ...more })
  return { courier, sent }
}

async function callback(more: Partial<Registration> = {}): Promise<string> {
  const id = newCallbackId()
  await store.put(id, box.callback(id, { ...registration, ...more }), 't')
  return id
}
let count = 0
async function say(id: string, event: JsonObject): Promise<void> {
  const name = `n${count++}`
  const order = { task: 't', mark: undefined, ends: false, lifeMs: 48 * 3_600_000, most: 100, mostEach: 100 }
  await store.enqueue(id, { id: name, sealed: box.content(id, name, { event, taskId: 't' }) }, order)
}
const state = (to: string): JsonObject => ({ statusUpdate: { taskId: 't', status: { state: to } } })
const until = async (check: () => void) => {
  for (let i = 0; ; i++)
    try {
      return check()
    } catch (error) {
      if (i > 500) throw error
      await new Promise((resolve) => setTimeout(resolve, 4))
    }
}
/** Time goes on until the next try. */
const later = (courier: Courier, ms = 60 * 60 * 1000) => {
  now += ms
  courier.look()
}
const away: Outcome = { type: 'failed', reason: 'status 503', status: 503 }

test('all of it is delivered in order', async () => {
  const id = await callback()
  for (const each of ['A', 'B', 'C']) await say(id, state(each))
  const { sent } = start([{ type: 'delivered', status: 200 }])
  await until(() => expect(records).toHaveLength(3))
  expect(sent.map(({ body }) => body)).toEqual(['A', 'B', 'C'].map(state))
  expect(records.every(({ outcome, host }) => outcome === 'delivered' && host === 'hooks.example.org')).toBe(true)
  expect(await store.waiting()).toBe(0)
})

test('what fails is tried again with the same id, and those behind it wait; then it is given up', async () => {
  const id = await callback()
  await say(id, state('A'))
  await say(id, state('B'))
  const { courier, sent } = start([away, away, away, { type: 'delivered', status: 200 }], {
    retentionMs: 24 * 3_600_000,
  })
  for (const tries of [1, 2]) {
    await until(() => expect(records.at(-1)).toMatchObject({ outcome: 'failed', tries, status: 503 }))
    later(courier)
  }
  await until(() => expect(records).toHaveLength(4))
  expect(records.slice(2)).toMatchObject([
    { outcome: 'dead', tries: 3, reason: 'status 503' },
    { outcome: 'delivered', tries: 1 },
  ])
  expect(sent.map(({ body }) => body)).toEqual(['A', 'A', 'A', 'B'].map(state))
  expect(new Set(sent.slice(0, 3).map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  expect(await store.deadLetters(9)).toMatchObject([{ agent: 'planner', taskId: 't', tries: 3, reason: 'status 503' }])
  expect(JSON.stringify(await store.deadLetters(9))).not.toContain('/x')
})

test('it waits longer each time, as long as the client wants, and no longer than the rules say', async () => {
  const id = await callback()
  await say(id, state('A'))
  const { courier, sent } = start([{ ...away, retryAfterMs: 30_000 }, away], { attempts: 9 })
  await until(() => expect(records).toHaveLength(1))
  later(courier, 29_000)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(sent).toHaveLength(1)
  later(courier, 2_000)
  await until(() => expect(records).toHaveLength(2))
  later(courier, 1_000)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(sent).toHaveLength(2)
  // Longer than `retention`.
  later(courier)
  await until(() => expect(records.at(-1)).toMatchObject({ outcome: 'dead', tries: 2 }))
  expect(sent).toHaveLength(2)
})

test('a client that is gone is told nothing more', async () => {
  const id = await callback()
  await say(id, state('A'))
  await say(id, state('B'))
  const { sent } = start([{ ...away, gone: true }])
  await until(() => expect(records).toMatchObject([{ outcome: 'dead' }]))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(sent).toHaveLength(1)
  expect(await store.get(id)).toBeUndefined()
})

test('what a guard denies is given up at once, and the rest goes on', async () => {
  const id = await callback()
  const piece = (text: string, more: JsonObject = {}) => ({
    artifactUpdate: { taskId: 't', artifact: { artifactId: 'a', parts: [{ text }] }, ...more },
  })
  await say(id, piece('a sec'))
  await say(id, piece('ret', { append: true, lastChunk: true }))
  await say(id, state('B'))
  const { sent } = start([{ type: 'delivered', status: 200 }], { guarded: true })
  await until(() => expect(records).toHaveLength(2))
  expect(records).toMatchObject([{ outcome: 'dead', reason: 'guards.words' }, { outcome: 'delivered' }])
  expect(sent.map(({ body }) => body)).toEqual([state('B')])
})

describe('what cannot be opened', () => {
  test('is left to others, and given up in the end', async () => {
    const id = await callback()
    await say(id, state('A'))
    const { courier, sent } = start([{ type: 'delivered', status: 200 }], {
      box: new Box([{ id: 'k', secret: randomBytes(32) }]),
    })
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(records).toEqual([])
    expect(await store.waiting()).toBe(1)
    later(courier, 70_000)
    await until(() => expect(records).toMatchObject([{ outcome: 'dead', reason: expect.stringContaining('key') }]))
    expect(sent).toEqual([])
  })

  test('in another’s place does not open either', async () => {
    const [a, b] = [await callback(), await callback({ url: 'https://evil.example.org/' })]
    expect(box.openCallback(b, box.callback(a, registration))).toBeUndefined()
    expect(box.openContent(a, 'n', box.content(a, 'm', {}))).toBeUndefined()
    expect(box.openContent(b, 'n', box.content(a, 'n', {}))).toBeUndefined()
  })
})

test('what goes wrong here is told, and tried again', async () => {
  const id = await callback()
  await say(id, state('A'))
  const { courier } = start([new Error('broken'), { type: 'delivered', status: 200 }])
  await until(() => expect(records).toMatchObject([{ outcome: 'failed', reason: 'the gateway failed' }]))
  expect(reports).toHaveLength(1)
  later(courier, 5_000)
  await until(() => expect(records.at(-1)).toMatchObject({ outcome: 'delivered' }))
})

test('a process that ends leaves what it has in hand to the next at once', async () => {
  const id = await callback()
  await say(id, state('A'))
  const dispatch = new Dispatch({
    poster: {
      post: (_, __, ___, stop) =>
        new Promise((resolve) => stop.addEventListener('abort', () => resolve({ type: 'failed', reason: 'stopped' }))),
    },
    guards: () => undefined,
    signer: undefined,
  })
  const { courier } = start([], { dispatch })
  await until(() => expect(store.waiting()).resolves.toBe(1))
  await new Promise((resolve) => setTimeout(resolve, 10))
  await courier.stop(10)
  const { sent } = start([{ type: 'delivered', status: 200 }])
  await until(() => expect(records).toMatchObject([{ outcome: 'delivered', tries: 1 }]))
  expect(sent).toHaveLength(1)
})

test('a client whose receivers are slow holds up nobody else', async () => {
  const slow = await Promise.all(Array.from({ length: 70 }, () => callback({ owner: 'key:slow' })))
  for (const id of slow) await say(id, state('A'))
  const other = await callback({ owner: 'key:other', url: 'https://fast.example.org/' })
  await say(other, state('A'))
  let under = 0
  const dispatch = new Dispatch({
    poster: {
      post: async (url, _, __, stop) => {
        if (url.includes('fast')) return { type: 'delivered', status: 200 }
        under++
        await new Promise((resolve) => stop.addEventListener('abort', resolve))
        return away
      },
    },
    guards: () => undefined,
    signer: undefined,
  })
  start([], { dispatch })
  await until(() => expect(records).toMatchObject([{ outcome: 'delivered', host: 'fast.example.org' }]))
  expect(under).toBe(16)
})
