import { describe, expect, test } from 'vitest'
import type { Delegated } from '../identity/identity.ts'
import type { Caller } from '../telemetry/record.ts'
import { recordOf } from '../telemetry/testing.ts'
import { agentEntry } from './agent-entry.ts'
import { callTrees } from './call-tree.ts'
import { finishedEntry, refusedEntry } from './entry.ts'
import { callIn, lineOf, readLine } from './entry-line.ts'
import { MemoryBooks } from './memory-books.ts'
import { toolEntry } from './tool-entry.ts'
import { type Entered, modelCall, refusedModelCall } from './tree-call.ts'

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
const budgets = [{ id: 't1', by: 'ann', usd: 1 }]
const work = (more: Partial<Delegated> = {}): Delegated => ({ tree: 't1', subject: 'ann', chain: [], budgets, ...more })
const ann = { identity: 'key', subject: 'k1', user: 'ann', listener: 'l' }
const planner = (id = 'd1') => ({
  identity: 'key',
  subject: 'k2',
  listener: 'l',
  work: work({ id, agent: 'planner', chain: ['key:k1'] }),
})
const billing = {
  identity: 'key',
  subject: 'k3',
  listener: 'l',
  work: work({ id: 'd2', agent: 'billing', chain: ['key:k1', 'planner'] }),
}

const agentCall = (more: object): Entered =>
  agentEntry({
    requestId: 'a1',
    agent: 'planner',
    operation: 'sendMessage',
    binding: 'jsonrpc',
    version: '1.0',
    via: { binding: 'jsonrpc', version: '1.0' },
    caller: { ...ann, work: work() },
    depth: 0,
    root: 't1',
    delegation: 'd1',
    status: 200,
    taskId: 'task-1',
    state: 'TASK_STATE_COMPLETED',
    aborted: false,
    startMs: 1_000,
    durationMs: 500,
    traceparent,
    ...more,
  })
const asked = (caller: Caller): Entered => {
  const record = recordOf({ requestId: 'm1', caller, startMs: 1_100, traceparent })
  const entry = finishedEntry(record)
  return { entry, call: modelCall(record, entry) }
}
const refused = (): Entered => {
  const record = {
    ...billing,
    requestId: 'r1',
    operation: 'chat',
    status: 402,
    code: 'budget_exceeded',
    rule: 'a2a.tree.usd',
    requestModel: 'm',
    durationMs: 3,
    traceparent,
  }
  return { entry: refusedEntry(record, 1_400), call: refusedModelCall(record, 1_400) }
}
const listed = {
  requestId: 'l',
  endpoint: 'default',
  era: 'modern' as const,
  caller: billing,
  status: 200,
  startMs: 0,
  durationMs: 1,
}
const toolCall = (caller: typeof billing, more: object = {}) =>
  toolEntry({
    requestId: 'x1',
    endpoint: 'default',
    method: 'tools/call',
    era: 'modern',
    caller,
    server: 'files',
    name: 'read',
    status: 200,
    startMs: 1_300,
    durationMs: 20,
    traceparent,
    ...more,
  })!

const entries: Entered[] = [
  asked(planner()),
  toolCall(billing),
  refused(),
  agentCall({
    requestId: 'a2',
    agent: 'billing',
    caller: planner(),
    delegation: 'd2',
    startMs: 1_200,
    taskId: 'task-2',
  }),
  agentCall({}),
]
const calls = (all: readonly Entered[]) => all.flatMap(({ call }) => (call ? [call] : []))

describe('a tree of calls', () => {
  test('is put together from what each was asked by, with what it and all below it took', () => {
    const [tree, ...others] = callTrees(calls(entries))
    expect(others).toEqual([])
    expect(tree).toMatchObject({ id: 't1', subject: 'ann', budgets, startMs: 1_000, traceIds: ['a'.repeat(32)] })
    expect(tree!.roots).toMatchObject([
      {
        call: { kind: 'agent', from: 'ann', to: 'planner' },
        own: { delegations: 1, nanoUsd: 0 },
        total: { delegations: 2, modelCalls: 1, toolCalls: 1, failures: 1, nanoUsd: 250_000_000 },
        children: [
          { call: { kind: 'model', from: 'planner', to: 'fast' }, own: { input: 1000, output: 91 } },
          {
            call: { kind: 'agent', from: 'planner', to: 'billing' },
            total: { toolCalls: 1, modelCalls: 0, failures: 1, nanoUsd: 0 },
            children: [
              { call: { kind: 'tool', to: 'files/read' } },
              { call: { kind: 'model', to: 'm', code: 'budget_exceeded', rule: 'a2a.tree.usd' } },
            ],
          },
        ],
      },
    ])
    expect(tree!.total).toEqual(tree!.roots[0]!.total)
  })

  test('has what is under way where its agents have asked for something already', () => {
    const [tree] = callTrees(calls(entries.slice(0, 3)))
    expect(tree!.roots).toMatchObject([
      {
        underWay: true,
        call: { from: 'key:k1', to: 'planner' },
        children: [
          { call: { kind: 'model' } },
          { underWay: true, call: { from: 'planner', to: 'billing' }, children: [{}, {}] },
        ],
      },
    ])
    // Only what is known has been counted.
    expect(tree!.total).toMatchObject({ delegations: 0, modelCalls: 1, toolCalls: 1 })
  })

  test('counts a call once, however often it was told, and leaves out a ring', () => {
    const ring = { ...calls([agentCall({})])[0]!, requestId: 'ring', parent: 'd9', delegation: 'd9' }
    const [tree] = callTrees([...calls(entries), ...calls(entries), ring])
    expect(tree!.total.modelCalls).toBe(1)
  })
})

test('calls are in lines beside what was used and decided, and lines without are read as well', () => {
  const kept = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown
  for (const { entry, call } of entries) {
    const line = lineOf(entry, call).slice(0, -1)
    expect(readLine(line)).toEqual(kept(entry))
    expect(callIn(line)).toEqual(kept(call))
  }
  const plain = finishedEntry(recordOf())
  expect(callIn(lineOf(plain))).toBeUndefined()
  expect(readLine(lineOf(plain).slice(0, -1))).toEqual(kept(plain))
})

test('what only asks what there is, is not in the books', () => {
  expect(toolEntry({ ...listed, method: 'tools/list' })).toBeUndefined()
  expect(toolEntry({ ...listed, method: 'tools/list', status: 429, rule: 'limits.rpm' })).toBeDefined()
})

test.each(['t1', 'a'.repeat(32), 'task-2', 'x1', 'r1'])('the books find it by %s', async (id) => {
  const books = new MemoryBooks()
  await books.write({ sidecar: 's', sequence: 1, lines: Buffer.alloc(0), days: new Map(), calls: calls(entries) })
  expect(await books.calls(id)).toHaveLength(5)
  expect(await books.calls('another')).toEqual([])
})
