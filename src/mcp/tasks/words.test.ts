import { expect, test } from 'vitest'
import { isOver, knowsTasks, legacyTask, makesTasks, modernTask, relatedIn, withRelated } from './words.ts'

const dates = { createdAt: '2026-01-01T00:00:00Z', lastUpdatedAt: '2026-01-01T00:00:01Z' }
const key = 'io.modelcontextprotocol/related-task'

test('a task of the old era in the words of the new one', () => {
  const task = { taskId: 't', status: 'working', statusMessage: 'on it', ...dates, ttl: 60_000, pollInterval: 100 }
  expect(modernTask(task)).toEqual({
    taskId: 't',
    status: 'working',
    statusMessage: 'on it',
    ...dates,
    ttlMs: 60_000,
    pollIntervalMs: 100,
  })
  expect(modernTask({ taskId: 't', ttl: null, _meta: {} })).toEqual({ taskId: 't', ttlMs: null })
})

test('a task of the new era in the words of the old one: what it gave or asks is fetched otherwise', () => {
  const task = { resultType: 'complete', taskId: 't', ...dates, ttlMs: null, pollIntervalMs: 100 }
  expect(legacyTask({ ...task, status: 'completed', result: { content: [] } })).toEqual({
    taskId: 't',
    status: 'completed',
    ...dates,
    ttl: null,
    pollInterval: 100,
  })
  // In the old era a tool that failed is a task that failed.
  expect(legacyTask({ ...task, status: 'completed', result: { isError: true } }).status).toBe('failed')
  expect(legacyTask({ ...task, status: 'failed', error: { code: 1, message: 'it broke' } })).toMatchObject({
    status: 'failed',
    statusMessage: 'it broke',
  })
  expect(legacyTask({ ...task, status: 'input_required', inputRequests: {} })).not.toHaveProperty('inputRequests')
})

test('the task that a message belongs to', () => {
  const message = { a: 1, _meta: { [key]: { taskId: 't' }, other: 2 } }
  expect(relatedIn(message)).toBe('t')
  expect(withRelated(message, 'u')).toEqual({ a: 1, _meta: { [key]: { taskId: 'u' }, other: 2 } })
  expect(withRelated(message, undefined)).toEqual({ a: 1, _meta: { other: 2 } })
  expect(withRelated({ _meta: { [key]: { taskId: 't' } } }, undefined)).toEqual({})
  for (const none of [{}, { _meta: null }, { _meta: { [key]: 't' } }, { _meta: { [key]: { taskId: 7 } } }])
    expect(relatedIn(none)).toBeUndefined()
})

test.each([
  [{ tasks: { requests: { tools: { call: {} } } } }, true],
  [{ tasks: { requests: { tools: {} } } }, false],
  [{ tasks: { list: {} } }, false],
  [{ tasks: true }, false],
  [{}, false],
])('a server of the old era makes tasks: %j', (capabilities, makes) => {
  expect(makesTasks(capabilities)).toBe(makes)
})

test('who knows tasks, and which are over', () => {
  expect(knowsTasks({ extensions: { 'io.modelcontextprotocol/tasks': {} } })).toBe(true)
  expect(knowsTasks({ extensions: { 'io.modelcontextprotocol/tasks': true } })).toBe(false)
  expect(knowsTasks({ extensions: [] })).toBe(false)
  expect(['working', 'input_required', 'completed', 'failed', 'cancelled'].map((status) => isOver({ status }))).toEqual(
    [false, false, true, true, true],
  )
})
