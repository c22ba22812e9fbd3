import { fromBinary } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '#gen/google/rpc/status_pb.js'
import { A2aError, type A2aErrorKind, invalidParams } from './errors.ts'
import type { Wire } from './operations.ts'
import { readGrpcTrailers, readHttpError, readJsonRpcError } from './read-error.ts'
import { renderError, renderErrorEvent } from './render-error.ts'

const wires: Wire[] = (['0.3', '1.0'] as const).flatMap((version) =>
  (['jsonrpc', 'http+json', 'grpc'] as const).map((binding) => ({ binding, version })),
)

/** A2A 1.0, section 5.4: the table as it stands there. */
const table: [A2aErrorKind, string, number, number, number][] = [
  ['taskNotFound', 'TASK_NOT_FOUND', -32001, 5, 404],
  ['taskNotCancelable', 'TASK_NOT_CANCELABLE', -32002, 9, 400],
  ['pushNotSupported', 'PUSH_NOTIFICATION_NOT_SUPPORTED', -32003, 9, 400],
  ['unsupportedOperation', 'UNSUPPORTED_OPERATION', -32004, 9, 400],
  ['contentTypeNotSupported', 'CONTENT_TYPE_NOT_SUPPORTED', -32005, 3, 400],
  ['invalidAgentResponse', 'INVALID_AGENT_RESPONSE', -32006, 13, 500],
  ['extendedCardNotConfigured', 'EXTENDED_AGENT_CARD_NOT_CONFIGURED', -32007, 9, 400],
  ['extensionRequired', 'EXTENSION_SUPPORT_REQUIRED', -32008, 9, 400],
  ['versionNotSupported', 'VERSION_NOT_SUPPORTED', -32009, 9, 400],
]

describe.each(table)('%s', (kind, reason, code, grpc, http) => {
  const error = new A2aError(kind, 'why', { metadata: { taskId: 't1' } })
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason,
    domain: 'a2a-protocol.org',
    metadata: { taskId: 't1' },
  }

  test('JSON-RPC', () => {
    const { status, body } = renderError(error, { binding: 'jsonrpc', version: '1.0' }, 5)
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({ jsonrpc: '2.0', id: 5, error: { code, message: 'why', data: [info] } })
  })

  test('HTTP+JSON', () => {
    const { status, body, headers } = renderError(error, { binding: 'http+json', version: '1.0' })
    expect(status).toBe(http)
    expect(headers).toContainEqual(['content-type', 'application/a2a+json'])
    expect(JSON.parse(body)).toMatchObject({ error: { code: http, message: 'why', details: [info] } })
  })

  test('HTTP+JSON of 0.3', () => {
    const { status, body } = renderError(error, { binding: 'http+json', version: '0.3' })
    expect(status).toBe(http)
    expect(JSON.parse(body)).toMatchObject({ code, message: 'why' })
  })

  test('gRPC', () => {
    const headers = new Map(renderError(error, { binding: 'grpc', version: '1.0' }).headers)
    expect(headers.get('grpc-status')).toBe(String(grpc))
    const status = fromBinary(StatusSchema, Buffer.from(headers.get('grpc-status-details-bin') ?? '', 'base64'))
    expect(status).toMatchObject({ code: grpc, message: 'why' })
    expect(fromBinary(ErrorInfoSchema, status.details[0]!.value)).toMatchObject({
      reason,
      domain: 'a2a-protocol.org',
      metadata: { taskId: 't1' },
    })
  })

  test.each(wires)('there and back over $binding $version', (wire) => {
    const rendered = renderError(error, wire, 1)
    const read =
      wire.binding === 'jsonrpc'
        ? readJsonRpcError(JSON.parse(rendered.body).error)
        : wire.binding === 'grpc'
          ? readGrpcTrailers(new Map(rendered.headers))
          : readHttpError(rendered.status, JSON.parse(rendered.body))
    expect(read).toMatchObject({ kind, message: 'why', metadata: { taskId: 't1' } })
  })
})

test('what is wrong with parameters is said by field', () => {
  const error = invalidParams('message.parts', 'must have at least one part')
  expect(JSON.parse(renderError(error, { binding: 'jsonrpc', version: '1.0' }, 1).body).error).toEqual({
    code: -32602,
    message: 'message.parts: must have at least one part',
    data: [
      {
        '@type': 'type.googleapis.com/google.rpc.BadRequest',
        fieldViolations: [{ field: 'message.parts', description: 'must have at least one part' }],
      },
    ],
  })
  const headers = new Map(renderError(error, { binding: 'grpc', version: '1.0' }).headers)
  const status = fromBinary(StatusSchema, Buffer.from(headers.get('grpc-status-details-bin') ?? '', 'base64'))
  expect(fromBinary(BadRequestSchema, status.details[0]!.value).fieldViolations[0]).toMatchObject({
    field: 'message.parts',
  })
})

test('who may not, has too little money or comes too often gets the HTTP status of it in JSON-RPC as well', () => {
  const statuses = (['unauthenticated', 'permissionDenied', 'budgetExhausted', 'rateLimited'] as const).map(
    (kind) => renderError(new A2aError(kind, 'no'), { binding: 'jsonrpc', version: '0.3' }, 1).status,
  )
  expect(statuses).toEqual([401, 403, 402, 429])
})

test('whose rule it was, and the headers that go with it', () => {
  const error = new A2aError('rateLimited', 'slow down', { rule: 'limits.rules.a', headers: [['retry-after', '3']] })
  const { headers, body } = renderError(error, { binding: 'http+json', version: '1.0' })
  expect(headers).toContainEqual(['retry-after', '3'])
  expect(JSON.parse(body).error.details[0]).toMatchObject({
    reason: 'RATE_LIMITED',
    domain: 'chaperone',
    metadata: { rule: 'limits.rules.a' },
  })
})

test('messages that are not ASCII survive gRPC', () => {
  const text = 'Aufgabe „näh“ 100% weg\n'
  const headers = new Map(renderError(new A2aError('taskNotFound', text), { binding: 'grpc', version: '1.0' }).headers)
  expect(headers.get('grpc-message')).toMatch(/^[\x20-\x7e]*$/)
  expect(readGrpcTrailers(headers)?.message).toBe(text)
})

test('events of streams', () => {
  const error = new A2aError('internal', 'cut')
  expect(renderErrorEvent(error, { binding: 'jsonrpc', version: '1.0' }, 3)).toBe(
    'data: {"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"cut"}}\n\n',
  )
  expect(renderErrorEvent(error, { binding: 'http+json', version: '0.3' })).toBe(
    'event: error\ndata: {"code":-32603,"message":"cut"}\n\n',
  )
})

describe('what agents say', () => {
  test('data of 0.3 that is anything goes on as a detail', () => {
    const error = readJsonRpcError({ code: -32603, message: 'oops', data: 'stack' })
    const { error: rendered } = JSON.parse(renderError(error, { binding: 'jsonrpc', version: '1.0' }, 1).body)
    expect(rendered.data).toEqual([{ '@type': 'type.googleapis.com/google.protobuf.Value', value: 'stack' }])
    expect(() => renderError(error, { binding: 'grpc', version: '1.0' })).not.toThrow()
  })

  test.each([
    ['nothing', undefined, 'invalidAgentResponse'],
    ['a code of nobody', { code: 42, message: 'x' }, 'internal'],
    ['no message', { code: -32001 }, 'taskNotFound'],
  ])('%s', (_, value, kind) => {
    expect(readJsonRpcError(value).kind).toBe(kind)
  })

  test.each([
    [404, { message: 'gone' }, 'taskNotFound'],
    [401, '<html>', 'unauthenticated'],
    [429, undefined, 'rateLimited'],
    [418, {}, 'invalidRequest'],
    [599, {}, 'internal'],
  ])('HTTP %d', (status, body, kind) => {
    expect(readHttpError(status, body).kind).toBe(kind)
  })

  test('details that are not what they say do not break gRPC', () => {
    const error = readJsonRpcError({
      code: -32001,
      message: 'x',
      data: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: 5 }],
    })
    expect(new Map(renderError(error, { binding: 'grpc', version: '1.0' }).headers).get('grpc-status')).toBe('5')
  })

  test('trailers that say that all is well', () => {
    expect(readGrpcTrailers(new Map([['grpc-status', '0']]))).toBeUndefined()
    expect(readGrpcTrailers(new Map())?.kind).toBe('internal')
  })
})

describe('trailers of gRPC have room for what clients take', () => {
  const size = (error: A2aError) => {
    const { headers } = renderError(error, { binding: 'grpc', version: '1.0' })
    return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0)
  }

  test('whatever an agent says', () => {
    const details = Array.from({ length: 30 }, () => ({
      '@type': 'type.googleapis.com/google.protobuf.Value',
      value: 'x'.repeat(1000),
    }))
    const error = new A2aError('taskNotFound', '„ä”'.repeat(2000), { details, metadata: { taskId: 't' } })
    expect(size(error)).toBeLessThan(8192)
    const headers = new Map(renderError(error, { binding: 'grpc', version: '1.0' }).headers)
    expect(readGrpcTrailers(headers)).toMatchObject({
      kind: 'taskNotFound',
      metadata: { taskId: 't' },
      message: expect.stringMatching(/^(„ä”)+.{0,2}…$/),
    })
    const endless = new A2aError('taskNotFound', 'x', { metadata: { id: 'x'.repeat(9000) } })
    expect(size(endless)).toBeLessThan(8192)
  })

  test('when to come again', () => {
    const error = new A2aError('rateLimited', 'slow down', { headers: [['retry-after', '3']] })
    const headers = new Map(renderError(error, { binding: 'grpc', version: '1.0' }).headers)
    const status = fromBinary(StatusSchema, Buffer.from(headers.get('grpc-status-details-bin')!, 'base64'))
    const detail = status.details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.RetryInfo'))
    expect(fromBinary(RetryInfoSchema, detail!.value).retryDelay?.seconds).toBe(3n)
  })
})

test.each<[string, string, A2aErrorKind]>([
  ['12', 'TaskNotCancelableError: it is over', 'taskNotCancelable'],
  ['12', 'PushNotificationNotSupportedError: it is over', 'pushNotSupported'],
  ['5', 'MethodNotFoundError: it is over', 'methodNotFound'],
  ['13', 'JSONParseError: it is over', 'parseError'],
])('status %s with the name of an error of 0.3: %s', (status, message, kind) => {
  const headers = new Map([
    ['grpc-status', status],
    ['grpc-message', message],
  ])
  expect(readGrpcTrailers(headers)).toMatchObject({ kind, message: 'it is over' })
})

test('what is no name of an error is part of the message', () => {
  const headers = new Map([
    ['grpc-status', '5'],
    ['grpc-message', 'SomeError: gone'],
  ])
  expect(readGrpcTrailers(headers)).toMatchObject({ kind: 'taskNotFound', message: 'SomeError: gone' })
})
