import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Example, startExample } from '../examples/three-agents/example.ts'
import { trace } from '../src/cli/trace.ts'
import type { CallNode } from '../src/usage/call-tree.ts'
import { eventually } from './gateway.ts'

/** Three agents with a sidecar each, as docs/a2a.md and `npm run example:agents` have them: a process each, with a real Envoy each. */

let example: Example

beforeAll(async () => {
  example = await startExample()
}, 120_000)
afterAll(() => example?.stop())

/** What came of a task, once every sidecar has told the books. */
const treeOf = (id: string, calls: number) =>
  eventually(async () => {
    const [tree, ...others] = await example.trees(id)
    expect(others).toEqual([])
    expect(tree!.roots.flatMap(flat)).toHaveLength(calls)
    return tree!
  })
const flat = (node: CallNode): string[] => [
  `${node.call.from} ${node.call.kind} ${node.call.to}`,
  ...node.children.flatMap(flat),
]

test('a task is one trace and one tree through all of them, down to the last tool', async () => {
  const { traceId, answer } = await example.ask('How many are 20 and 22?')
  expect(answer).toMatchObject({ text: 'The plan: Write down that it is 42, checked: 42', state: 'completed' })
  const tree = await treeOf(traceId, 9)
  expect(tree).toMatchObject({ subject: 'alice', traceIds: [traceId], roots: [{ underWay: false }] })
  expect(tree.roots.flatMap(flat)).toEqual([
    'alice agent planner',
    'planner model demo',
    'planner agent researcher',
    'researcher tool sums/add',
    'researcher model demo',
    'researcher agent writer',
    'writer model demo',
    'writer tool sums/add',
    'planner model demo',
  ])
  expect(tree.total).toMatchObject({ delegations: 3, modelCalls: 4, toolCalls: 2, failures: 0 })
  const { input, output, nanoUsd } = tree.total
  expect(nanoUsd).toBe(input * 2_000 + output * 8_000)
  // The agents know nothing of traces, and yet servers and collector were told of one.
  expect(example.toolTraces).toEqual([expect.stringContaining(traceId), expect.stringContaining(traceId)])
  await eventually(() => {
    const names = example.spans
      .filter((span) => span.traceId === traceId)
      .map(({ service, name }) => `${service} ${name}`)
    for (const agent of ['planner', 'researcher', 'writer']) expect(names).toContain(`chaperone invoke_agent ${agent}`)
    expect(names.filter((name) => name === 'chaperone chat demo')).toHaveLength(4)
    expect(names.filter((name) => name === 'chaperone tools/call add')).toHaveLength(2)
    expect(names.filter((name) => name.startsWith('chaperone-envoy')).length).toBeGreaterThan(8)
  })
  const { taskId } = answer as { taskId: string }
  for (const id of [taskId, tree.id, traceId]) {
    let text = ''
    expect(
      await trace(id, { store: example.redis, tenant: 'default', output: 'text' }, (piece) => (text += piece)),
    ).toBe(0)
    expect(text).toContain(`tree    ${tree.id}, for alice`)
    expect(text).toMatch(/alice → planner +\d+\+\d+ +0\.\d{6} +\d+ ms +completed\n/)
    expect(text).toMatch(
      /│ {2}└─ researcher → writer .*\n│ {5}├─ model demo at demo .* 200\n│ {5}└─ tool sums\/add .* ok\n/,
    )
    expect(text).toMatch(/total: 3 delegations, 4 model calls, 2 tool calls /)
  }
  let json = ''
  await trace(traceId, { store: example.redis, tenant: 'default', output: 'json' }, (piece) => (json += piece))
  expect(JSON.parse(json)).toMatchObject({ trees: [{ id: tree.id, roots: [{ total: { toolCalls: 2 } }] }] })
})

test('what Alice lets it spend holds at the third sidecar, and the tree says where it ended', async () => {
  const { traceId, answer } = await example.ask('And again?', 'tool-calls=1')
  expect(answer).toBeInstanceOf(Error)
  expect((answer as Error).message).toMatch(/The budget of the tree .*, opened by alice \(1 tool calls\) is used up/)
  const tree = await treeOf(traceId, 8)
  expect(tree.total).toMatchObject({ toolCalls: 1, modelCalls: 3 })
  const writer = tree.roots[0]!.children.at(-1)!.children.at(-1)!
  expect(writer).toMatchObject({
    call: { to: 'writer' },
    children: [{}, { call: { kind: 'tool', code: 'budget_exceeded', rule: 'a2a.tree.toolCalls' } }],
  })
})
