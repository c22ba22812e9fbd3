import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Ticket } from './admission.ts'
import type { Answer, Authority, Call } from './authority.ts'
import { FileJournal } from './journal.ts'
import { type BudgetAlert, Ledger, type LedgerEvent } from './ledger.ts'
import { Limiter } from './limiter.ts'
import { MemoryAuthority } from './memory-authority.ts'
import { admitted, compileRules, factsOf, nothing } from './testing.ts'

const start = Date.parse('2026-11-23T12:00:00Z')
const anyone = factsOf({ user: 'ann' })

/** A memory authority whose line breaks: before a call is heard, or after it. */
class BrokenLine implements Authority {
  readonly inner: MemoryAuthority
  next: 'works' | 'call lost' | 'answer lost' = 'works'

  constructor(inner: MemoryAuthority) {
    this.inner = inner
  }

  now(): number {
    return this.inner.now()
  }

  exchange(call: Call): Answer {
    if (this.next === 'call lost') throw new Error('the call is lost')
    const answer = this.inner.exchange(call)
    if (this.next === 'answer lost') throw new Error('the answer is lost')
    return answer
  }
}

/** What the authority has counted of the only meter there is. */
function counted(authority: MemoryAuthority, key: string): number {
  const meter = { key, endMs: Number.POSITIVE_INFINITY, alerts: [] }
  const order = { meter, capacity: 0, spent: 0, hold: 0, need: 0, want: 0 }
  const call = { sidecar: 'reader', turn: 1, sequence: 0, leaving: true, orders: [order] }
  return authority.exchange(call).standings[0]!.spent
}

test('whatever is lost on the way, each settlement is counted once, each alert told once, and no limit exceeded', async () => {
  const line = fc.constantFrom('works', 'works', 'call lost', 'answer lost')
  const step = fc.record({ sidecar: fc.nat(1), line, act: fc.constantFrom('request', 'request', 'flush', 'wait') })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const clock = { now: start }
      const authority = new MemoryAuthority(() => clock.now)
      const alerts: BudgetAlert[] = []
      const rules = compileRules({
        budgets: { pot: { tokens: 100, per: 'total', onStoreFailure: 'deny', alerts: [0.3, 0.5] } },
      })
      const sidecars = [0, 1].map(() => {
        const line = new BrokenLine(authority)
        const ledger = new Ledger({ authority: line, alert: (alert) => alerts.push(alert) })
        return { line, ledger, limiter: new Limiter(ledger, rules) }
      })
      let settled = 0
      for (const { sidecar, line: next, act } of steps) {
        const { line, ledger, limiter } = sidecars[sidecar]!
        line.next = next as BrokenLine['next']
        if (act === 'flush') await ledger.flush()
        else if (act === 'wait') {
          clock.now += 7_000
          ledger.sweep()
        } else {
          const admission = limiter.admit(anyone, () => ({ tokens: 3, nanoUsd: 0 }))
          if (admission instanceof Promise) throw new Error('it waits')
          if (admission.type !== 'admitted') continue
          admission.ticket.settle({ tokens: 3, nanoUsd: 0 })
          settled += 3
        }
      }
      for (const { line, ledger } of sidecars) {
        line.next = 'works'
        await ledger.close()
      }
      expect(counted(authority, 'budget:pot:tokens:total:-:')).toBe(settled)
      // The last request of each may go beyond by what it uses more than the one token that was left.
      expect(settled).toBeLessThanOrEqual(100 + 2 * 2)
      const due = [0.3, 0.5].filter((threshold) => settled >= threshold * 100)
      expect(alerts.map(({ threshold }) => threshold).sort()).toEqual(due)
    }),
  )
})

test('an outage and its end are reported once each, and asking goes on by itself', async () => {
  const line = new BrokenLine(new MemoryAuthority(() => start))
  const events: LedgerEvent[] = []
  const ledger = new Ledger({ authority: line, report: (event) => events.push(event) })
  const limiter = new Limiter(ledger, compileRules({ limits: { pace: { requests: 5 } } }))
  line.next = 'call lost'
  admitted(limiter.admit(anyone, () => nothing)).ticket.settle(nothing)
  admitted(limiter.admit(anyone, () => nothing))
  expect(events.map(({ type }) => type)).toEqual(['store_down'])
  line.next = 'works'
  await ledger.flush()
  expect(events.map(({ type }) => type)).toEqual(['store_down', 'store_up'])
})

test('one that the authority has forgotten asks anew for what it held', async () => {
  const clock = { now: start }
  const line = new BrokenLine(new MemoryAuthority(() => clock.now))
  const other = new Limiter(new Ledger({ authority: line }), compileRules({ limits: { few: { concurrent: 4 } } }))
  const ledger = new Ledger({ authority: line })
  const limiter = new Limiter(ledger, compileRules({ limits: { few: { concurrent: 4 } } }))
  for (let i = 0; i < 4; i++) admitted(limiter.admit(anyone, () => nothing))
  // It says nothing for longer than leases last, and all it had goes to the other.
  clock.now += 31_000
  for (let i = 0; i < 4; i++) admitted(other.admit(anyone, () => nothing))
  expect(limiter.admit(anyone, () => nothing)).toMatchObject({ type: 'refused', why: 'reserved' })
})

test('a journal that fails is reported, and requests go on', () => {
  const events: LedgerEvent[] = []
  const fails = () => {
    throw new Error('no space left')
  }
  const journal = { append: fails, seal: fails, acknowledged: fails, replay: () => [] }
  const authority = new MemoryAuthority(() => start)
  const ledger = new Ledger({ authority, journal, report: (event) => events.push(event) })
  const limiter = new Limiter(ledger, compileRules({ limits: { pace: { requests: 5 } } }))
  admitted(limiter.admit(anyone, () => nothing)).ticket.settle(nothing)
  expect(events).toMatchObject([{ type: 'journal_failed' }])
})

test('a lease is not used when the authority has not answered for so long that it may be another’s', () => {
  const clock = { now: start }
  const line = new BrokenLine(new MemoryAuthority(() => clock.now))
  const ledger = new Ledger({ authority: line })
  const limiter = new Limiter(ledger, compileRules({ limits: { few: { concurrent: 9, onStoreFailure: 'deny' } } }))
  admitted(limiter.admit(anyone, () => nothing)).ticket.settle(nothing)
  line.next = 'call lost'
  clock.now += 24_000
  admitted(limiter.admit(anyone, () => nothing)).ticket.settle(nothing)
  clock.now += 1_100
  expect(limiter.admit(anyone, () => nothing)).toMatchObject({ type: 'refused', why: 'store' })
})

/** A memory authority that hears calls and answers them when the test says so. */
class SlowLine implements Authority {
  readonly inner: MemoryAuthority
  readonly #unheard: (() => void)[] = []
  readonly #unanswered: (() => void)[] = []

  constructor(inner: MemoryAuthority) {
    this.inner = inner
  }

  now(): number {
    return this.inner.now()
  }

  exchange(call: Call): Promise<Answer> {
    return new Promise((resolve) => {
      this.#unheard.push(() => {
        const answer = this.inner.exchange(call)
        this.#unanswered.push(() => resolve(answer))
      })
    })
  }

  hear(): void {
    this.#unheard.shift()?.()
  }

  async answer(): Promise<void> {
    this.#unanswered.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('what is admitted, settled and given back while an exchange is under way leaves no limit exceeded', async () => {
  const act = fc.constantFrom('request', 'request', 'request', 'settle', 'tell', 'sweep', 'hear', 'answer', 'answer')
  const step = fc.record({ sidecar: fc.nat(2), act })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (steps) => {
      const clock = { now: start }
      const authority = new MemoryAuthority(() => clock.now)
      const written = { requests: 12, per: 'day' as const, onStoreFailure: 'deny' as const }
      const rules = compileRules({ limits: { pace: written } })
      let count = 0
      const sidecars = [0, 1, 2].map(() => {
        const line = new SlowLine(authority)
        const ledger = new Ledger({ authority: line })
        return { line, ledger, limiter: new Limiter(ledger, rules), tickets: [] as Ticket[] }
      })
      const request = async ({ limiter, tickets }: (typeof sidecars)[number]) => {
        const admission = await limiter.admit(anyone, () => nothing)
        if (admission.type !== 'admitted') return
        count++
        tickets.push(admission.ticket)
      }
      const waiting: Promise<unknown>[] = []
      for (const { sidecar, act } of steps) {
        const { line, ledger, tickets } = sidecars[sidecar]!
        if (act === 'request') waiting.push(request(sidecars[sidecar]!))
        else if (act === 'settle') tickets.shift()?.settle(nothing)
        else if (act === 'tell') waiting.push(ledger.flush())
        else if (act === 'hear') line.hear()
        else if (act === 'answer') {
          line.hear()
          await line.answer()
        } else {
          clock.now += 2_000
          ledger.sweep()
        }
      }
      for (let i = 0; i < 60; i++)
        for (const { line } of sidecars) {
          line.hear()
          await line.answer()
        }
      await Promise.all(waiting)
      expect(count).toBeLessThanOrEqual(12)
    }),
    { numRuns: 200 },
  )
})

/** One slot of a line that answers slowly: taken and free again. */
async function usedOnce(rule: { requests: number } | { concurrent: number }) {
  const clock = { now: start }
  const line = new SlowLine(new MemoryAuthority(() => clock.now))
  const ledger = new Ledger({ authority: line })
  const limiter = new Limiter(ledger, compileRules({ limits: { one: rule } }))
  const first = limiter.admit(anyone, () => nothing)
  line.hear()
  await line.answer()
  admitted(await first).ticket.settle(nothing)
  return { clock, line, ledger, limiter }
}

test('what is being told as spent is not there to be used', async () => {
  const { clock, line, ledger, limiter } = await usedOnce({ requests: 1 })
  // Past the pause in which an authority that had nothing left is not asked.
  clock.now += 100
  const told = ledger.flush()
  const second = limiter.admit(anyone, () => nothing)
  expect(second).toBeInstanceOf(Promise)
  for (let i = 0; i < 5; i++) {
    line.hear()
    await line.answer()
  }
  await told
  expect(await second).toMatchObject({ type: 'refused', why: 'used_up' })
})

test('what is being given back is not there to be used', async () => {
  const { clock, line, ledger, limiter } = await usedOnce({ concurrent: 1 })
  clock.now += 6_000
  ledger.sweep()
  const second = limiter.admit(anyone, () => nothing)
  expect(second).toBeInstanceOf(Promise)
  for (let i = 0; i < 5; i++) {
    line.hear()
    await line.answer()
  }
  admitted(await second)
})

test('the authority’s answer about one count says nothing for leases it has forgotten', async () => {
  const clock = { now: start }
  const authority = new MemoryAuthority(() => clock.now)
  const rules = compileRules({ limits: { few: { concurrent: 3, by: ['user'] } } })
  const ledger = new Ledger({ authority })
  const limiter = new Limiter(ledger, rules)
  const other = new Limiter(new Ledger({ authority }), rules)
  const ticket = admitted(limiter.admit(anyone, () => nothing)).ticket
  // So that the next exchange has nothing to say of it.
  await ledger.flush()
  clock.now += 31_000
  for (let i = 0; i < 3; i++) admitted(other.admit(anyone, () => nothing))
  ticket.settle(nothing)
  admitted(limiter.admit(factsOf({ user: 'bob' }), () => nothing))
  expect(limiter.admit(anyone, () => nothing)).toMatchObject({ type: 'refused', why: 'reserved' })
})

test('an authority that is gone for an hour: requests go on by their own share, the journal stays short, and all of it is counted once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-hour-'))
  const clock = { now: start }
  const line = new BrokenLine(new MemoryAuthority(() => clock.now))
  const path = join(directory, 'settled.jsonl')
  const ledger = new Ledger({ authority: line, sidecar: 'one', journal: new FileJournal(path, 'one') })
  const rules = compileRules({ budgets: { pot: { tokens: 1_000_000, per: 'total', by: ['user'] } } })
  const limiter = new Limiter(ledger, rules)
  const use = { tokens: 3, nanoUsd: 0 }
  let settled = 0
  const request = (user: string) => {
    admitted(limiter.admit(factsOf({ user }), () => use)).ticket.settle(use)
    settled += 3
  }
  request('ann')
  await ledger.flush()
  line.next = 'call lost'
  for (let second = 0; second < 3_600; second++) {
    clock.now += 1_000
    for (const user of ['ann', 'bob']) request(user)
    ledger.sweep()
  }
  expect(statSync(path).size).toBeLessThan(1.2 * 2 ** 20)
  line.next = 'works'
  await ledger.close()
  const total = ['ann', 'bob'].map((user) => counted(line.inner, `budget:pot:tokens:total:-:${user}`))
  expect(total[0]! + total[1]!).toBe(settled)
  rmSync(directory, { recursive: true })
})

test('an authority whose clock is set forward by a day and back again: each day counts what was used in it', async () => {
  const clock = { now: start }
  const authority = new MemoryAuthority(() => clock.now)
  const ledger = new Ledger({ authority })
  const limiter = new Limiter(ledger, compileRules({ budgets: { pot: { tokens: 7, per: 'day' } } }))
  const use = { tokens: 3, nanoUsd: 0 }
  const request = () => admitted(limiter.admit(anyone, () => use)).ticket
  request().settle(use)
  const late = request()
  clock.now += 86_400_000
  request().settle(use)
  ledger.sweep()
  late.settle(use)
  clock.now -= 86_400_000
  ledger.sweep()
  request().settle(use)
  expect(limiter.admit(anyone, () => use)).toMatchObject({ type: 'refused', why: 'used_up' })
  await ledger.close()
  const days = ['2026-11-23', '2026-11-24'].map((day) => counted(authority, `budget:pot:tokens:day:${day}:`))
  expect(days).toEqual([9, 3])
})
