import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as legacy from '#gen/a2a/v1/a2a_pb.js'
import * as modern from '#gen/lf/a2a/v1/a2a_pb.js'
import { classify } from './call.ts'
import { writeFrame } from './grpc/frames.ts'
import { operations } from './operations.ts'
import { renderError } from './render-error.ts'
import { refused, request, rpc, understood } from './testing.ts'

const message = { messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'hi' }], taskId: 't1', contextId: 'c1' }
const legacyMessage = {
  kind: 'message',
  messageId: 'm1',
  role: 'user',
  parts: [{ kind: 'text', text: 'hi' }],
  taskId: 't1',
  contextId: 'c1',
}
const about = { taskId: 't1' }
const push = { url: 'https://client.example/hook', id: 'p1' }

describe('the same question is the same call, however it is asked', () => {
  const v1 = { headers: { 'a2a-version': '1.0' } }
  const grpc = { headers: { 'content-type': 'application/grpc' } }
  const frame = (bytes: Uint8Array) => writeFrame(bytes)
  const cases: [string, Parameters<typeof classify>[0], object][] = [
    [
      'send, 1.0 JSON-RPC',
      rpc('1.0', 'SendMessage', { message }),
      { operation: 'sendMessage', ...about, contextId: 'c1', id: 7 },
    ],
    [
      'send, 0.3 JSON-RPC',
      rpc('0.3', 'message/send', { message: legacyMessage }),
      { operation: 'sendMessage', ...about, contextId: 'c1', version: '0.3' },
    ],
    [
      'send, 0.3 without a header',
      rpc(undefined, 'message/send', { message: legacyMessage }),
      { operation: 'sendMessage', version: '0.3' },
    ],
    [
      'send, 1.0 HTTP',
      request({ ...v1, path: '/message:send', body: { message } }),
      { operation: 'sendMessage', binding: 'http+json', ...about, id: null },
    ],
    [
      'send, version in the query',
      request({ path: '/message:send?A2A-Version=1.0', body: { message } }),
      { operation: 'sendMessage', version: '1.0' },
    ],
    [
      'send, a patch version',
      request({ headers: { 'a2a-version': '1.0.3' }, path: '/message:send', body: { message } }),
      { version: '1.0' },
    ],
    [
      'send, tenant in the path',
      request({ ...v1, path: '/acme/message:send', body: { message } }),
      { operation: 'sendMessage', tenant: 'acme' },
    ],
    [
      'send, 0.3 HTTP',
      request({
        path: '/v1/message:send',
        body: {
          message: { messageId: 'm1', role: 'ROLE_USER', content: [{ text: 'hi' }], taskId: 't1', contextId: 'c1' },
        },
      }),
      { operation: 'sendMessage', binding: 'http+json', version: '0.3', ...about, contextId: 'c1' },
    ],
    [
      'send, 0.3 HTTP in JSON-RPC’s spelling',
      request({ path: '/v1/message:send', body: { message: legacyMessage } }),
      { operation: 'sendMessage', ...about },
    ],
    [
      'send, 1.0 gRPC',
      request({
        ...grpc,
        path: '/lf.a2a.v1.A2AService/SendMessage',
        body: frame(
          toBinary(
            modern.SendMessageRequestSchema,
            create(modern.SendMessageRequestSchema, {
              message: {
                messageId: 'm1',
                role: modern.Role.USER,
                parts: [{ content: { case: 'text', value: 'hi' } }],
                taskId: 't1',
                contextId: 'c1',
              },
            }),
          ),
        ),
      }),
      { operation: 'sendMessage', binding: 'grpc', version: '1.0', ...about, contextId: 'c1' },
    ],
    [
      'send, 0.3 gRPC',
      request({
        ...grpc,
        path: '/a2a.v1.A2AService/SendMessage',
        body: frame(
          toBinary(
            legacy.SendMessageRequestSchema,
            create(legacy.SendMessageRequestSchema, {
              request: {
                messageId: 'm1',
                role: legacy.Role.USER,
                content: [{ part: { case: 'text', value: 'hi' } }],
                taskId: 't1',
              },
            }),
          ),
        ),
      }),
      { operation: 'sendMessage', binding: 'grpc', version: '0.3', ...about },
    ],
    ['stream, 1.0', rpc('1.0', 'SendStreamingMessage', { message }), { operation: 'streamMessage' }],
    ['stream, 0.3', rpc('0.3', 'message/stream', { message: legacyMessage }), { operation: 'streamMessage' }],
    ['stream, HTTP', request({ ...v1, path: '/message:stream', body: { message } }), { operation: 'streamMessage' }],
    [
      'get, 1.0',
      rpc('1.0', 'GetTask', { id: 't1', historyLength: 2 }),
      { operation: 'getTask', ...about, params: { id: 't1', historyLength: 2 } },
    ],
    ['get, 0.3', rpc('0.3', 'tasks/get', { id: 't1' }), { operation: 'getTask', ...about }],
    [
      'get, HTTP',
      request({ ...v1, method: 'GET', path: '/tasks/t1?historyLength=2' }),
      { operation: 'getTask', ...about, params: { id: 't1', historyLength: 2 } },
    ],
    [
      'get, HTTP 0.3',
      request({ method: 'GET', path: '/v1/tasks/t1?history_length=2' }),
      { operation: 'getTask', ...about, params: { id: 't1', historyLength: 2 } },
    ],
    [
      'get, an id with an escape',
      request({ ...v1, method: 'GET', path: '/tasks/a%2Fb%3Acancel' }),
      { operation: 'getTask', taskId: 'a/b:cancel' },
    ],
    [
      'get, gRPC 0.3',
      request({
        ...grpc,
        path: '/a2a.v1.A2AService/GetTask',
        body: frame(toBinary(legacy.GetTaskRequestSchema, create(legacy.GetTaskRequestSchema, { name: 'tasks/t1' }))),
      }),
      { operation: 'getTask', ...about },
    ],
    [
      'list, 1.0',
      rpc('1.0', 'ListTasks', { contextId: 'c1', tenant: 'acme' }),
      { operation: 'listTasks', contextId: 'c1', tenant: 'acme' },
    ],
    [
      'list, HTTP',
      request({ ...v1, method: 'GET', path: '/tasks?contextId=c1&includeArtifacts=true&pageSize=5' }),
      { operation: 'listTasks', contextId: 'c1', params: { contextId: 'c1', includeArtifacts: true, pageSize: 5 } },
    ],
    ['cancel, 1.0', rpc('1.0', 'CancelTask', { id: 't1' }), { operation: 'cancelTask', ...about }],
    ['cancel, HTTP', request({ ...v1, path: '/tasks/t1:cancel', body: {} }), { operation: 'cancelTask', ...about }],
    [
      'cancel, HTTP 0.3 with null',
      request({ path: '/v1/tasks/t1:cancel', body: 'null' }),
      { operation: 'cancelTask', ...about },
    ],
    ['subscribe, 0.3', rpc('0.3', 'tasks/resubscribe', { id: 't1' }), { operation: 'subscribeToTask', ...about }],
    [
      'subscribe, HTTP GET',
      request({ ...v1, method: 'GET', path: '/tasks/t1:subscribe' }),
      { operation: 'subscribeToTask', ...about },
    ],
    [
      'subscribe, HTTP POST',
      request({ ...v1, path: '/tasks/t1:subscribe' }),
      { operation: 'subscribeToTask', ...about },
    ],
    [
      'set push, 1.0',
      rpc('1.0', 'CreateTaskPushNotificationConfig', { taskId: 't1', ...push }),
      { operation: 'setPushConfig', ...about, pushUrl: push.url },
    ],
    [
      'set push, 0.3',
      rpc('0.3', 'tasks/pushNotificationConfig/set', { taskId: 't1', pushNotificationConfig: push }),
      { operation: 'setPushConfig', ...about, pushUrl: push.url },
    ],
    [
      'set push, HTTP',
      request({ ...v1, path: '/tasks/t1/pushNotificationConfigs', body: push }),
      { operation: 'setPushConfig', ...about, pushUrl: push.url },
    ],
    [
      'set push, HTTP 0.3',
      request({
        path: '/v1/tasks/t1/pushNotificationConfigs',
        body: { name: 'tasks/t1/pushNotificationConfigs/p1', pushNotificationConfig: push },
      }),
      { operation: 'setPushConfig', ...about, pushUrl: push.url },
    ],
    [
      'push with a message',
      rpc('1.0', 'SendMessage', {
        message,
        configuration: { taskPushNotificationConfig: { ...push, taskId: 'other' } },
      }),
      { pushUrl: push.url, params: { message, configuration: { taskPushNotificationConfig: push } } },
    ],
    [
      'get push, 0.3',
      rpc('0.3', 'tasks/pushNotificationConfig/get', { id: 't1', pushNotificationConfigId: 'p1' }),
      { operation: 'getPushConfig', ...about, params: { taskId: 't1', id: 'p1' } },
    ],
    [
      'get push, HTTP',
      request({ ...v1, method: 'GET', path: '/tasks/t1/pushNotificationConfigs/p1' }),
      { operation: 'getPushConfig', ...about, params: { taskId: 't1', id: 'p1' } },
    ],
    [
      'list pushes, HTTP',
      request({ ...v1, method: 'GET', path: '/tasks/t1/pushNotificationConfigs' }),
      { operation: 'listPushConfigs', ...about },
    ],
    [
      'delete push, HTTP 0.3',
      request({ method: 'DELETE', path: '/v1/tasks/t1/pushNotificationConfigs/p1' }),
      { operation: 'deletePushConfig', params: { taskId: 't1', id: 'p1' } },
    ],
    [
      'delete push, gRPC',
      request({
        ...grpc,
        path: '/a2a.v1.A2AService/DeleteTaskPushNotificationConfig',
        body: frame(
          toBinary(
            legacy.DeleteTaskPushNotificationConfigRequestSchema,
            create(legacy.DeleteTaskPushNotificationConfigRequestSchema, {
              name: 'tasks/t1/pushNotificationConfigs/p1',
            }),
          ),
        ),
      }),
      { operation: 'deletePushConfig', ...about },
    ],
    ['extended card, 1.0', rpc('1.0', 'GetExtendedAgentCard', undefined), { operation: 'getExtendedCard' }],
    [
      'extended card, 0.3',
      rpc('0.3', 'agent/getAuthenticatedExtendedCard', undefined),
      { operation: 'getExtendedCard' },
    ],
    [
      'extended card, HTTP',
      request({ ...v1, method: 'GET', path: '/extendedAgentCard' }),
      { operation: 'getExtendedCard' },
    ],
    ['extended card, HTTP 0.3', request({ method: 'GET', path: '/v1/card' }), { operation: 'getExtendedCard' }],
    [
      'extended card, gRPC 0.3',
      request({ ...grpc, path: '/a2a.v1.A2AService/GetAgentCard', body: frame(new Uint8Array(0)) }),
      { operation: 'getExtendedCard' },
    ],
  ]
  test.each(cases)('%s', (_, asked, expected) => {
    expect(understood(classify(asked))).toMatchObject({ agent: 'planner', ...expected })
  })
})

test('names in snake_case are the same fields: the task that an agent would see is the task that is seen here', () => {
  const smuggled = {
    message_id: 'm1',
    role: 'ROLE_USER',
    parts: [{ text: 'hi' }],
    task_id: 'victim',
    reference_task_ids: ['r'],
  }
  const call = understood(classify(rpc('1.0', 'SendMessage', { message: smuggled })))
  expect(call).toMatchObject({ taskId: 'victim', referencedTaskIds: ['r'] })
  const old = { message_id: 'm1', role: 'user', parts: [{ kind: 'text', text: 'hi' }], task_id: 'victim' }
  expect(understood(classify(rpc('0.3', 'message/send', { message: old }))).taskId).toBe('victim')
  const both = { ...old, messageId: 'm1', taskId: 'mine' }
  expect(refused(classify(rpc('0.3', 'message/send', { message: both }))).error.kind).toBe('invalidParams')
})

test('what no version knows does not go on', () => {
  const call = understood(classify(rpc('1.0', 'GetTask', { id: 't1', secret: 'x', historyLength: 3 })))
  expect(call.params).toEqual({ id: 't1', historyLength: 3 })
})

test('a skill is known where the client names one, and only one', () => {
  const named = (metadata: object, outer = {}) =>
    classify(rpc('1.0', 'SendMessage', { message: { ...message, metadata }, metadata: outer }))
  expect(understood(named({ skillId: 'route' })).skill).toBe('route')
  expect(understood(named({}, { skill: 'route' })).skill).toBe('route')
  expect(understood(named({})).skill).toBeUndefined()
  expect(refused(named({ skillId: 'route' }, { skill: 'pay' })).error.kind).toBe('invalidParams')
})

test('extensions, by either version’s header', () => {
  const asked = (name: string) =>
    request({ path: '/message:send', headers: { 'a2a-version': '1.0', [name]: 'urn:a, urn:b' }, body: { message } })
  expect(understood(classify(asked('a2a-extensions'))).extensions).toEqual(['urn:a', 'urn:b'])
  expect(understood(classify(asked('x-a2a-extensions'))).extensions).toEqual(['urn:a', 'urn:b'])
})

describe('what is refused', () => {
  const deep = `${'['.repeat(600)}${']'.repeat(600)}`
  const v1 = { 'a2a-version': '1.0' }
  const cases: [string, Parameters<typeof classify>[0], string, RegExp?][] = [
    ['no JSON', request({ body: '{"jsonrpc"' }), 'parseError'],
    ['a batch', request({ body: '[{"jsonrpc":"2.0","id":1,"method":"message/send"}]' }), 'invalidRequest', /batch/i],
    ['a text', request({ body: '"hi"' }), 'invalidRequest'],
    [
      'too deep',
      request({ body: `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"metadata":${deep}}}` }),
      'invalidRequest',
      /deep/,
    ],
    [
      'metadata that is too deep',
      rpc('1.0', 'SendMessage', {
        message: { ...message, metadata: { a: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) as unknown } },
      }),
      'invalidParams',
      /deep/,
    ],
    ['no jsonrpc', request({ body: { id: 1, method: 'message/send' } }), 'invalidRequest'],
    ['a notification', request({ body: { jsonrpc: '2.0', method: 'message/send' } }), 'invalidRequest', /notification/],
    ['an id that is none', rpc('0.3', 'message/send', {}, { a: 1 }), 'invalidRequest'],
    ['params that are a list', rpc('0.3', 'message/send', []), 'invalidRequest'],
    ['a method of nobody', rpc('1.0', 'tasks/obliterate', {}), 'methodNotFound'],
    ['a method of the other version', rpc('1.0', 'message/send', {}), 'methodNotFound', /0\.3/],
    ['1.0 without saying so', rpc(undefined, 'SendMessage', { message }), 'versionNotSupported', /A2A-Version: 1\.0/],
    ['a path of 1.0 without saying so', request({ path: '/message:send', body: { message } }), 'versionNotSupported'],
    ['a path of 0.3 in 1.0', request({ headers: v1, path: '/v1/card', method: 'GET' }), 'methodNotFound'],
    ['0.3 listing tasks', rpc('0.3', 'tasks/list', {}), 'methodNotFound'],
    ['0.3 listing tasks over HTTP', request({ method: 'GET', path: '/v1/tasks' }), 'unsupportedOperation'],
    [
      'a version of the future',
      request({ headers: { 'a2a-version': '2.0' }, body: {} }),
      'versionNotSupported',
      /0\.3 and 1\.0/,
    ],
    ['a version that is none', request({ headers: { 'a2a-version': 'latest' }, body: {} }), 'versionNotSupported'],
    ['no message', rpc('1.0', 'SendMessage', {}), 'invalidParams'],
    ['no parts', rpc('1.0', 'SendMessage', { message: { ...message, parts: [] } }), 'invalidParams', /at least one/],
    [
      'an empty part',
      rpc('1.0', 'SendMessage', { message: { ...message, parts: [{}] } }),
      'invalidParams',
      /parts\[0\]/,
    ],
    [
      'two contents in a part',
      rpc('1.0', 'SendMessage', { message: { ...message, parts: [{ text: 'a', url: 'b' }] } }),
      'invalidParams',
    ],
    ['no role', rpc('1.0', 'SendMessage', { message: { ...message, role: undefined } }), 'invalidParams', /role/],
    [
      'a part of no kind',
      rpc('0.3', 'message/send', { message: { ...legacyMessage, parts: [{ kind: 'video' }] } }),
      'invalidParams',
      /parts\[0\]/,
    ],
    ['no task', rpc('1.0', 'GetTask', {}), 'invalidParams'],
    ['a task’s id that is a number', rpc('1.0', 'GetTask', { id: 5 }), 'invalidParams'],
    ['a task’s id with a line break', rpc('1.0', 'GetTask', { id: 'a\nb' }), 'invalidParams'],
    [
      'a body about another task than the path',
      request({ headers: v1, path: '/tasks/mine:cancel', body: { id: 'victim' } }),
      'invalidParams',
      /path/,
    ],
    [
      'a query about another task than the path',
      request({ headers: v1, method: 'GET', path: '/tasks/mine?id=victim' }),
      'invalidParams',
    ],
    [
      'a config for another task than the path',
      request({
        headers: v1,
        path: '/tasks/mine/pushNotificationConfigs',
        body: { task_id: 'victim', url: 'https://x.example' },
      }),
      'invalidParams',
    ],
    [
      'a config named for another task',
      request({
        path: '/v1/tasks/mine/pushNotificationConfigs',
        body: { name: 'tasks/victim/pushNotificationConfigs/p', pushNotificationConfig: push },
      }),
      'invalidParams',
    ],
    [
      'a tenant other than the path’s',
      request({ headers: v1, path: '/acme/message:send', body: { tenant: 'umbrella', message } }),
      'invalidParams',
    ],
    [
      'a parameter twice',
      request({ headers: v1, method: 'GET', path: '/tasks?contextId=a&context_id=b' }),
      'invalidParams',
      /twice/,
    ],
    [
      'a length that is none',
      request({ headers: v1, method: 'GET', path: '/tasks/t1?historyLength=lots' }),
      'invalidParams',
    ],
    ['a broken escape', request({ headers: v1, method: 'GET', path: '/tasks/%zz' }), 'invalidRequest'],
    [
      'a content type of forms',
      request({ headers: { 'content-type': 'text/plain' }, body: {} }),
      'contentTypeNotSupported',
    ],
    ['GET for JSON-RPC', request({ method: 'GET' }), 'invalidRequest'],
    ['a path of nobody', request({ headers: v1, path: '/a/b/c/d' }), 'methodNotFound'],
    [
      'a gRPC service of nobody',
      request({ headers: { 'content-type': 'application/grpc' }, path: '/x.Y/Z' }),
      'methodNotFound',
    ],
    [
      'a gRPC method of nobody',
      request({ headers: { 'content-type': 'application/grpc' }, path: '/lf.a2a.v1.A2AService/Z' }),
      'methodNotFound',
    ],
    [
      'gRPC of another version than the header',
      request({
        headers: { 'content-type': 'application/grpc', 'a2a-version': '0.3' },
        path: '/lf.a2a.v1.A2AService/GetTask',
      }),
      'versionNotSupported',
    ],
    [
      'gRPC-Web',
      request({ headers: { 'content-type': 'application/grpc-web' }, path: '/lf.a2a.v1.A2AService/GetTask' }),
      'invalidRequest',
    ],
    [
      'half a frame',
      request({
        headers: { 'content-type': 'application/grpc' },
        path: '/lf.a2a.v1.A2AService/GetTask',
        body: new Uint8Array([0, 0, 0]),
      }),
      'invalidRequest',
    ],
    [
      'a frame that is no message',
      request({
        headers: { 'content-type': 'application/grpc' },
        path: '/lf.a2a.v1.A2AService/GetTask',
        body: writeFrame(new Uint8Array([255, 255, 255])),
      }),
      'invalidParams',
    ],
    [
      'a compressed frame',
      request({
        headers: { 'content-type': 'application/grpc' },
        path: '/lf.a2a.v1.A2AService/GetTask',
        body: new Uint8Array([1, 0, 0, 0, 0]),
      }),
      'methodNotFound',
    ],
  ]
  test.each(cases)('%s', (_, asked, kind, text = /./) => {
    const refusal = refused(classify(asked))
    expect(refusal.error.kind).toBe(kind)
    expect(refusal.error.message).toMatch(text)
    expect(() => renderError(refusal.error, refusal, refusal.id)).not.toThrow()
  })

  test('too long', () => {
    expect(refused(classify(rpc('1.0', 'SendMessage', { message }), 50)).error.kind).toBe('tooLarge')
  })

  test('with the id of the request, wherever it can be read', () => {
    expect(refused(classify(rpc('1.0', 'nobody', {}, 'abc'))).id).toBe('abc')
    expect(refused(classify(rpc('1.0', 'GetTask', {}, 'abc'))).id).toBe('abc')
    expect(refused(classify(request({ body: '[' }))).id).toBeNull()
  })

  test('without what the caller sent', () => {
    const refusal = refused(
      classify(rpc('1.0', 'SendMessage', { message: { ...message, parts: [{ text: { hidden: 'swordfish' } }] } })),
    )
    expect(JSON.stringify(renderError(refusal.error, refusal))).not.toContain('swordfish')
  })
})

describe('whatever is sent', () => {
  const path = fc.oneof(
    fc.constantFrom(
      '',
      '/',
      '/message:send',
      '/v1/message:send',
      '/tasks',
      '/tasks/a:cancel',
      '/tasks/%/pushNotificationConfigs',
      '/lf.a2a.v1.A2AService/SendMessage',
      '/a2a.v1.A2AService/CreateTaskPushNotificationConfig',
    ),
    fc.webPath({ size: 'small' }),
    fc.string(),
  )
  const headers = fc.record(
    {
      'a2a-version': fc.oneof(fc.constantFrom('0.3', '1.0', ''), fc.string()),
      'content-type': fc.constantFrom('application/json', 'application/grpc', 'application/a2a+json', 'text/plain'),
      'a2a-extensions': fc.string(),
    },
    { requiredKeys: [] },
  )
  const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT')
  const rpcMethod = fc.constantFrom(
    'SendMessage',
    'message/send',
    'GetTask',
    'tasks/get',
    'tasks/pushNotificationConfig/set',
    'constructor',
    '__proto__',
  )
  const shaped = fc.record({
    jsonrpc: fc.constant('2.0'),
    id: fc.jsonValue(),
    method: rpcMethod,
    params: fc.dictionary(
      fc.constantFrom(
        'message',
        'id',
        'name',
        'configuration',
        'config',
        'pushNotificationConfig',
        'metadata',
        '__proto__',
      ),
      fc.jsonValue(),
    ),
  })
  const body = fc.oneof(
    fc.uint8Array(),
    fc.uint8Array().map(writeFrame),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    shaped.map((value) => Buffer.from(JSON.stringify(value))),
  )

  test('is a call or a refusal that can be said', () => {
    fc.assert(
      fc.property(fc.record({ method, path, headers, body }), (parts) => {
        const result = classify({
          ...parts,
          agent: 'a',
          headers: new Map(Object.entries(parts.headers)) as Map<string, string>,
        })
        if (result.type === 'refusal')
          expect(renderError(result.error, result, result.id).status).toBeGreaterThanOrEqual(200)
        else expect(operations).toContain(result.operation)
      }),
      { numRuns: 2000 },
    )
  })
})
