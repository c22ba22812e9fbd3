import { describe, expect, test } from 'vitest'
import type { A2aCall } from '../call.ts'
import { TaskGuard } from './guard.ts'
import { MemoryOwners } from './memory-owners.ts'
import type { Owners } from './owners.ts'

const call = (more: Partial<A2aCall>): A2aCall => ({
  type: 'call',
  agent: 'planner',
  binding: 'jsonrpc',
  version: '1.0',
  operation: 'sendMessage',
  referencedTaskIds: [],
  extensions: [],
  id: 1,
  params: {},
  ...more,
})

/** Alice began task t in context c. */
async function owners(): Promise<MemoryOwners> {
  const made = new MemoryOwners()
  const alice = new TaskGuard(made, 'planner', 'key:alice')
  await alice.shown('sendMessage', { task: { id: 't', contextId: 'c' } })
  return made
}

describe('another caller', () => {
  test.each<[string, Partial<A2aCall>, string]>([
    ['asks for it', { operation: 'getTask', taskId: 't' }, 'taskNotFound'],
    ['sends to it', { taskId: 't' }, 'taskNotFound'],
    ['refers to it', { referencedTaskIds: ['t'] }, 'taskNotFound'],
    ['goes on in its context', { contextId: 'c' }, 'invalidParams'],
    ['asks for one that never was', { operation: 'getTask', taskId: 'x' }, 'taskNotFound'],
    ['names an endless id', { operation: 'getTask', taskId: 'x'.repeat(5000) }, 'taskNotFound'],
  ])('%s', async (_, more, kind) => {
    const bob = new TaskGuard(await owners(), 'planner', 'key:bob')
    await expect(bob.mayAsk(call(more))).rejects.toMatchObject({ kind })
  })

  test('is not shown it by an agent that mixes callers up', async () => {
    const bob = new TaskGuard(await owners(), 'planner', 'key:bob')
    await expect(bob.shown('getTask', { id: 't' })).rejects.toMatchObject({ kind: 'invalidAgentResponse' })
    await expect(bob.shown('streamMessage', { statusUpdate: { taskId: 't' } })).rejects.toMatchObject({
      kind: 'invalidAgentResponse',
    })
    const list = { tasks: [{ id: 't' }, { id: 'u' }], totalSize: 7, nextPageToken: 'n' }
    expect(await bob.shown('listTasks', list)).toEqual({ tasks: [], totalSize: 0, nextPageToken: 'n' })
  })

  test('of another agent may have the same id', async () => {
    const made = await owners()
    const bob = new TaskGuard(made, 'billing', 'key:bob')
    await bob.shown('sendMessage', { task: { id: 't', contextId: 'c' } })
    await expect(bob.mayAsk(call({ operation: 'cancelTask', taskId: 't' }))).resolves.toBeUndefined()
  })
})

test('the one who began it may do all of that', async () => {
  const alice = new TaskGuard(await owners(), 'planner', 'key:alice')
  await alice.mayAsk(call({ operation: 'getTask', taskId: 't' }))
  await alice.mayAsk(call({ taskId: 't', contextId: 'c', referencedTaskIds: ['t'] }))
  const list = { tasks: [{ id: 't' }, { id: 'u' }] }
  expect(await alice.shown('listTasks', list)).toMatchObject({ tasks: [{ id: 't' }], totalSize: 1 })
})

test('a context that a client makes up is its own from then on', async () => {
  const made = new MemoryOwners()
  await new TaskGuard(made, 'planner', 'key:alice').mayAsk(call({ contextId: 'mine' }))
  await expect(new TaskGuard(made, 'planner', 'key:bob').mayAsk(call({ contextId: 'mine' }))).rejects.toMatchObject({
    kind: 'invalidParams',
  })
})

test('where it cannot be told whose a task is, nobody is let at it', async () => {
  const away: Owners = {
    claim: () => Promise.reject(new Error('away')),
    ownerOf: () => Promise.reject(new Error('away')),
  }
  const guard = new TaskGuard(away, 'planner', 'key:alice')
  await expect(guard.mayAsk(call({ operation: 'getTask', taskId: 't' }))).rejects.toMatchObject({ kind: 'unavailable' })
  await expect(guard.shown('sendMessage', { task: { id: 't' } })).rejects.toMatchObject({ kind: 'unavailable' })
})
