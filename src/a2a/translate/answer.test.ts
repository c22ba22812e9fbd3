import { describe, expect, test } from 'vitest'
import type { Wire } from '../operations.ts'
import { readAnswer, readEvent } from './answer.ts'

const rpc10: Wire = { binding: 'jsonrpc', version: '1.0' }
const http10: Wire = { binding: 'http+json', version: '1.0' }
const http03: Wire = { binding: 'http+json', version: '0.3' }
const task = { id: 't', contextId: 'c', status: { state: 'TASK_STATE_WORKING' } }
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const kind = (kindOf: string, message = /./) =>
  expect.objectContaining({ kind: kindOf, message: expect.stringMatching(message) as unknown }) as Error

describe('answers whole', () => {
  test('of agents that answer', () => {
    expect(readAnswer('getTask', rpc10, 200, bytes({ jsonrpc: '2.0', id: 1, result: task }))).toEqual(task)
    expect(readAnswer('getTask', http10, 200, bytes(task))).toEqual(task)
    expect(readAnswer('deletePushConfig', http10, 204, bytes(''))).toEqual({})
    expect(readAnswer('deletePushConfig', rpc10, 200, bytes({ jsonrpc: '2.0', id: 1, result: null }))).toEqual({})
    const configs = [
      { name: 'tasks/t/pushNotificationConfigs/p', pushNotificationConfig: { url: 'https://x.example' } },
    ]
    const listed = { configs: [{ taskId: 't', id: 'p', url: 'https://x.example' }] }
    expect(readAnswer('listPushConfigs', http03, 200, bytes(configs))).toEqual(listed)
    expect(readAnswer('listPushConfigs', http03, 200, bytes({ configs }))).toEqual(listed)
  })

  test.each<[string, Wire, number, unknown, Error]>([
    [
      'an error of JSON-RPC',
      rpc10,
      200,
      { jsonrpc: '2.0', id: 1, error: { code: -32001, message: 'gone' } },
      kind('taskNotFound', /gone/),
    ],
    [
      'an error of JSON-RPC with a status',
      rpc10,
      404,
      { error: { code: -32002, message: 'done' } },
      kind('taskNotCancelable'),
    ],
    ['a refusal of what stands before the agent', rpc10, 401, 'Unauthorized', kind('unauthenticated')],
    ['a page of HTML', rpc10, 200, '<html>', kind('invalidAgentResponse')],
    ['a result that is none', rpc10, 200, { result: 'done' }, kind('invalidAgentResponse')],
    [
      'an error of HTTP',
      http10,
      400,
      {
        error: {
          code: 400,
          message: 'x',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: 'TASK_NOT_CANCELABLE',
              domain: 'a2a-protocol.org',
            },
          ],
        },
      },
      kind('taskNotCancelable'),
    ],
    ['an error of HTTP without a body', http10, 503, '', kind('unavailable')],
    ['an error of 0.3', http03, 404, { message: 'gone' }, kind('taskNotFound', /gone/)],
    ['nothing', http10, 200, '', kind('invalidAgentResponse')],
  ])('%s', (_, wire, status, body, error) => {
    expect(() => readAnswer('getTask', wire, status, bytes(body))).toThrow(error)
  })
})

describe('events', () => {
  test('of agents that answer', () => {
    expect(readEvent('streamMessage', http10, { type: 'message', data: JSON.stringify({ task }) })).toEqual({ task })
    expect(
      readEvent('streamMessage', rpc10, { type: 'message', data: JSON.stringify({ id: 1, result: { task } }) }),
    ).toEqual({ task })
  })

  test.each<[string, Wire, string, string, Error]>([
    ['half a JSON', rpc10, 'message', '{"result":', kind('invalidAgentResponse')],
    ['an error of JSON-RPC', rpc10, 'message', '{"error":{"code":-32603,"message":"cut"}}', kind('internal', /cut/)],
    ['an error by its type', http03, 'error', '{"code":-32001,"message":"gone"}', kind('taskNotFound', /gone/)],
    ['an error of 1.0', http10, 'message', '{"error":{"code":500,"message":"cut"}}', kind('internal', /cut/)],
    ['an event of nobody', http10, 'message', '{"surprise":{}}', kind('invalidAgentResponse')],
  ])('%s', (_, wire, type, data, error) => {
    expect(() => readEvent('streamMessage', wire, { type, data })).toThrow(error)
  })
})
