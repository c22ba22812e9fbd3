import { expect, test } from 'vitest'
import { Sealer } from '../seal.ts'
import { boundToServer, openClientTask, openTask, sealClientTask, sealTask } from './task-id.ts'

const keys = [{ id: 'k', secret: Buffer.alloc(32, 1) }]
const task = {
  server: 'notes',
  id: 't-1',
  tool: 'write',
  era: 'legacy' as const,
  session: { id: 's-1', version: '2025-11-25', host: '10.0.0.1:80' },
}

test('another process with the same keys knows a task by its id', () => {
  const id = sealTask(new Sealer(keys), 'ann', task)
  expect(openTask(new Sealer(keys), 'ann', id)).toEqual(task)
  const modern = { ...task, era: 'modern' as const, session: undefined }
  expect(openTask(new Sealer(keys), 'ann', sealTask(new Sealer(keys), 'ann', modern))).toEqual(modern)
  // It is sent in a header.
  expect(id).toMatch(/^[\w.-]+$/)
})

test('it is nothing to anybody else, nor is anything else one', () => {
  const sealer = new Sealer(keys)
  const id = sealTask(sealer, 'ann', task)
  expect(openTask(sealer, 'bob', id)).toBeUndefined()
  for (const text of [`${id}A`, id.slice(1), '', 'k.', 7, null, undefined, {}])
    expect(openTask(sealer, 'ann', text)).toBeUndefined()
  // What was sealed for something else is no task.
  expect(openTask(sealer, 'ann', sealer.seal('state', 'ann', ['notes', 't-1'], 2 ** 40))).toBeUndefined()
  expect(openTask(sealer, 'ann', sealClientTask(sealer, 'ann', 'c-1'))).toBeUndefined()
})

test('a client’s task is for the one server that it was made for', () => {
  const sealer = new Sealer(keys)
  const id = sealClientTask(sealer, boundToServer('ann', 'notes'), 'c-1')
  expect(openClientTask(sealer, boundToServer('ann', 'notes'), id)).toBe('c-1')
  expect(openClientTask(sealer, boundToServer('ann', 'mail'), id)).toBeUndefined()
  expect(openClientTask(sealer, 'ann', id)).toBeUndefined()
  expect(openClientTask(sealer, boundToServer('ann', 'notes'), 'c-1')).toBeUndefined()
})
