import { legacyPushNotificationToV1StreamResponse } from '@a2a-js/sdk/compat/v0_3'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../json.ts'
import { classify } from '../call.ts'
import { A2aError } from '../errors.ts'
import { FrameReader } from '../grpc/frames.ts'
import { type A2aOperation, operations, type Wire } from '../operations.ts'
import { received, resent, understood } from '../testing.ts'
import { writeAnswer, writeEvent } from './answer.ts'
import { losses } from './losses.ts'
import { checkedParams } from './request.ts'
import { readMessage, readResult, writeMessage, writeRequest, writeResult } from './wire.ts'

const wires: Wire[] = (['0.3', '1.0'] as const).flatMap((version) =>
  (['jsonrpc', 'http+json', 'grpc'] as const).map((binding) => ({ binding, version })),
)
const rpc03: Wire = { binding: 'jsonrpc', version: '0.3' }
const http03: Wire = { binding: 'http+json', version: '0.3' }
const rpc10: Wire = { binding: 'jsonrpc', version: '1.0' }

/** Ids as agents make them. */
const id = fc.stringMatching(/^[a-zA-Z0-9._~:@ -]{1,40}$/).filter((text) => !/^\.+$/.test(text))
const word = fc.stringMatching(/^[a-zA-Z0-9 äöü€-]{1,20}$/)
const json = fc
  .jsonValue({ maxDepth: 2 })
  .filter((value) => !JSON.stringify(value).includes('__proto__'))
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const metadata = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), json, { minKeys: 1, maxKeys: 3 })
const optional = <T extends Record<string, fc.Arbitrary<unknown>>>(fields: T, required: (keyof T & string)[]) =>
  fc.record(fields, { requiredKeys: required }) as fc.Arbitrary<JsonObject>

const base64 = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('base64'))
const labels = { mediaType: fc.constantFrom('text/plain', 'application/json', 'image/png'), filename: word, metadata }
const plainPart = fc.oneof(
  fc.record({ text: fc.string() }),
  fc.record({ url: fc.webUrl() }),
  fc.record({ raw: base64 }),
  fc.record({ data: metadata }),
)
/** All of 1.0's. */
const part: fc.Arbitrary<JsonObject> = fc.oneof(
  optional({ text: fc.string(), ...labels }, ['text']),
  optional({ url: fc.webUrl(), ...labels }, ['url']),
  optional({ raw: base64, ...labels }, ['raw']),
  optional({ data: json, ...labels }, ['data']),
)
const messageOf = (parts: fc.Arbitrary<JsonObject>, more: Record<string, fc.Arbitrary<unknown>> = {}) =>
  optional(
    {
      messageId: id,
      role: fc.constantFrom('ROLE_USER', 'ROLE_AGENT'),
      parts: fc.array(parts, { minLength: 1, maxLength: 3 }),
      taskId: id,
      contextId: id,
      metadata,
      extensions: fc.array(fc.webUrl(), { minLength: 1, maxLength: 2 }),
      ...more,
    },
    ['messageId', 'role', 'parts'],
  )
const referenceTaskIds = fc.array(id, { minLength: 1, maxLength: 2 })
const message = messageOf(part, { referenceTaskIds })
/** What the 0.3 protos can say. */
const plainMessage = messageOf(plainPart)
const push = optional(
  {
    id,
    url: fc.webUrl(),
    token: word,
    authentication: optional({ scheme: fc.constant('Bearer'), credentials: word }, ['scheme']),
  },
  ['url'],
)
const historyLength = fc.integer({ min: 1, max: 100 })
const configuration = (nested: fc.Arbitrary<JsonObject>) =>
  optional(
    {
      acceptedOutputModes: fc.constant(['text/plain']),
      taskPushNotificationConfig: nested,
      historyLength,
      returnImmediately: fc.constant(true),
    },
    [],
  )

const state = fc
  .constantFrom(
    'SUBMITTED',
    'WORKING',
    'COMPLETED',
    'FAILED',
    'CANCELED',
    'INPUT_REQUIRED',
    'REJECTED',
    'AUTH_REQUIRED',
  )
  .map((name) => `TASK_STATE_${name}`)
const timestamp = fc
  .date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())
const statusOf = (said: fc.Arbitrary<JsonObject>) => optional({ state, message: said, timestamp }, ['state'])
const artifactOf = (parts: fc.Arbitrary<JsonObject>) =>
  optional(
    { artifactId: id, name: word, description: word, parts: fc.array(parts, { minLength: 1, maxLength: 2 }), metadata },
    ['artifactId', 'parts'],
  )
const taskOf = (said: fc.Arbitrary<JsonObject>, parts: fc.Arbitrary<JsonObject>) =>
  optional(
    {
      id,
      contextId: id,
      status: statusOf(said),
      artifacts: fc.array(artifactOf(parts), { minLength: 1, maxLength: 2 }),
      history: fc.array(said, { minLength: 1, maxLength: 2 }),
      metadata,
    },
    ['id', 'contextId', 'status'],
  )
const eventOf = (said: fc.Arbitrary<JsonObject>, parts: fc.Arbitrary<JsonObject>): fc.Arbitrary<JsonObject> =>
  fc.oneof(
    fc.record({ task: taskOf(said, parts) }),
    fc.record({ message: said }),
    fc.record({
      statusUpdate: optional({ taskId: id, contextId: id, status: statusOf(said), metadata }, [
        'taskId',
        'contextId',
        'status',
      ]),
    }),
    fc.record({
      artifactUpdate: optional(
        {
          taskId: id,
          contextId: id,
          artifact: artifactOf(parts),
          append: fc.constant(true),
          lastChunk: fc.constant(true),
          metadata,
        },
        ['taskId', 'contextId', 'artifact'],
      ),
    }),
  )

/** Canonical, as `classify` gives them. */
const canonical = (operation: A2aOperation, params: JsonObject) => checkedParams(operation, params)

describe('requests get over every wire and back unchanged', () => {
  test.each(wires)('$binding $version', (wire) => {
    const said = wire.version === '0.3' && wire.binding !== 'jsonrpc' ? plainMessage : message
    const requests: fc.Arbitrary<{ operation: A2aOperation; params: JsonObject }> = fc.oneof(
      fc.record({
        operation: fc.constantFrom<A2aOperation>('sendMessage', 'streamMessage'),
        params: fc.record({ message: said, configuration: configuration(push), metadata }) as fc.Arbitrary<JsonObject>,
      }),
      fc.record({ operation: fc.constant<A2aOperation>('getTask'), params: optional({ id, historyLength }, ['id']) }),
      fc.record({
        operation: fc.constantFrom<A2aOperation>('cancelTask', 'subscribeToTask'),
        params: fc.record({ id }) as fc.Arbitrary<JsonObject>,
      }),
      fc.record({
        operation: fc.constant<A2aOperation>('setPushConfig'),
        params: fc.tuple(push, id).map(([value, taskId]) => ({ ...value, taskId })),
      }),
      fc.record({
        operation: fc.constantFrom<A2aOperation>('getPushConfig', 'deletePushConfig'),
        params: fc.record({ taskId: id, id }) as fc.Arbitrary<JsonObject>,
      }),
      fc.record({
        operation: fc.constant<A2aOperation>('listPushConfigs'),
        params: fc.record({ taskId: id }) as fc.Arbitrary<JsonObject>,
      }),
      fc.record({ operation: fc.constant<A2aOperation>('getExtendedCard'), params: fc.constant({}) }),
    )
    fc.assert(
      fc.property(requests, ({ operation, params }) => {
        const asked = { operation, params: canonical(operation, params) }
        expect(resent(asked, wire)).toMatchObject({ operation, ...wire })
        expect(resent(asked, wire).params).toEqual(asked.params)
      }),
      { numRuns: 150 },
    )
  })

  test.each(wires.filter(({ version }) => version === '1.0'))('lists and tenants, $binding', (wire) => {
    const params = { tenant: 'acme', contextId: 'c', status: 'TASK_STATE_WORKING', pageSize: 3, includeArtifacts: true }
    expect(resent({ operation: 'listTasks', params }, wire).params).toEqual(params)
    for (const operation of ['getTask', 'cancelTask'] as const)
      expect(resent({ operation, params: { tenant: 'acme', id: 't/1:cancel' } }, wire)).toMatchObject({
        tenant: 'acme',
        taskId: 't/1:cancel',
      })
  })
})

describe('results get over every wire and back unchanged', () => {
  test.each(wires)('$binding $version', (wire) => {
    const narrow = wire.version === '0.3' && wire.binding !== 'jsonrpc'
    const said = narrow ? plainMessage : message
    const parts = narrow ? plainPart : part
    const results: fc.Arbitrary<{ operation: A2aOperation; value: JsonObject }> = fc.oneof(
      fc.record({
        operation: fc.constantFrom<A2aOperation>('streamMessage', 'subscribeToTask'),
        value: eventOf(said, parts),
      }),
      fc.record({
        operation: fc.constant<A2aOperation>('sendMessage'),
        value: fc.oneof(
          fc.record({ task: taskOf(said, parts) }),
          fc.record({ message: said }),
        ) as fc.Arbitrary<JsonObject>,
      }),
      fc.record({ operation: fc.constantFrom<A2aOperation>('getTask', 'cancelTask'), value: taskOf(said, parts) }),
      fc.record({
        operation: fc.constantFrom<A2aOperation>('setPushConfig', 'getPushConfig'),
        value: fc.tuple(push, id, id).map(([config, taskId, own]) => ({ ...config, taskId, id: own })),
      }),
      fc.record({ operation: fc.constant<A2aOperation>('deletePushConfig'), value: fc.constant({}) }),
    )
    fc.assert(
      fc.property(results, ({ operation, value }) => {
        const neutral = readResult(operation, value, rpc10)
        if (wire.binding === 'grpc') {
          const [frame] = new FrameReader(1e6).push(writeMessage(operation, neutral, wire))
          expect(readMessage(operation, frame!, wire)).toEqual(neutral)
        } else {
          const written = JSON.parse(JSON.stringify(writeResult(operation, neutral, wire))) as unknown
          expect(readResult(operation, written, wire)).toEqual(neutral)
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('as the SDK sees it', () => {
  test('events of 0.3 mean what its own translation makes of them', () => {
    fc.assert(
      fc.property(eventOf(messageOf(plainPart, { referenceTaskIds }), plainPart), (event) => {
        const legacy = writeResult('streamMessage', readResult('streamMessage', event, rpc10), rpc03)
        const theirs = legacyPushNotificationToV1StreamResponse(legacy)
        const payload = theirs.payload
        const [member, value] = Object.entries(event)[0]!
        expect(payload?.$case).toBe(member)
        expect(payload?.value).toMatchObject(identity(value as JsonObject))
      }),
      { numRuns: 100 },
    )
  })
})

function identity(value: JsonObject): JsonObject {
  return Object.fromEntries(
    ['id', 'taskId', 'contextId', 'messageId'].filter((name) => name in value).map((name) => [name, value[name]]),
  )
}

describe('golden', () => {
  const message03 = { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'text', text: 'hi' }] }

  test('a message of 1.0 for an agent of 0.3', () => {
    const params = canonical('sendMessage', {
      message: {
        messageId: 'm',
        role: 'ROLE_USER',
        parts: [
          { text: 'a', mediaType: 'text/markdown' },
          { raw: 'AAE=', filename: 'b.bin', mediaType: 'x/y' },
          { url: 'https://x.example/c' },
          { data: [1, 2] },
        ],
      },
      configuration: {
        returnImmediately: true,
        taskPushNotificationConfig: {
          url: 'https://h.example',
          authentication: { scheme: 'Bearer', credentials: 'k' },
        },
      },
    })
    const written = writeRequest({ operation: 'sendMessage', params, id: 9, extensions: ['urn:x'] }, rpc03)
    expect(written).toMatchObject({ method: 'POST', path: '' })
    expect(Object.fromEntries(written.headers)).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'x-a2a-extensions': 'urn:x',
    })
    expect(JSON.parse(Buffer.from(written.body).toString())).toEqual({
      jsonrpc: '2.0',
      id: 9,
      method: 'message/send',
      params: {
        message: {
          kind: 'message',
          messageId: 'm',
          role: 'user',
          parts: [
            { kind: 'text', text: 'a', metadata: { a2a_part_labels: { mediaType: 'text/markdown' } } },
            { kind: 'file', file: { bytes: 'AAE=', mimeType: 'x/y', name: 'b.bin' } },
            { kind: 'file', file: { uri: 'https://x.example/c' } },
            { kind: 'data', data: { value: [1, 2] }, metadata: { data_part_compat: true } },
          ],
        },
        configuration: {
          blocking: false,
          pushNotificationConfig: {
            url: 'https://h.example/'.replace(/\/$/, ''),
            authentication: { schemes: ['Bearer'], credentials: 'k' },
          },
        },
      },
    })
  })

  test('the same over HTTP+JSON of 0.3', () => {
    const params = canonical('sendMessage', {
      message: { messageId: 'm', role: 'ROLE_USER', parts: [{ url: 'https://x.example/c', mediaType: 'x/y' }] },
    })
    const written = writeRequest({ operation: 'sendMessage', params }, http03)
    expect(written.path).toBe('/v1/message:send')
    expect(JSON.parse(Buffer.from(written.body).toString())).toEqual({
      message: {
        messageId: 'm',
        role: 'ROLE_USER',
        content: [{ file: { fileWithUri: 'https://x.example/c', mimeType: 'x/y' } }],
      },
      configuration: { blocking: true },
    })
  })

  test('whether a client waits', () => {
    const of = (version: '0.3' | '1.0', configuration: object) =>
      understood(
        classify(
          received(
            version === '0.3'
              ? {
                  method: 'POST',
                  path: '',
                  headers: [['content-type', 'application/json']],
                  body: Buffer.from(
                    JSON.stringify({
                      jsonrpc: '2.0',
                      id: 1,
                      method: 'message/send',
                      params: { message: message03, configuration },
                    }),
                  ),
                }
              : {
                  method: 'POST',
                  path: '/v1/message:send',
                  headers: [['content-type', 'application/json']],
                  body: Buffer.from(JSON.stringify({ message: message03, configuration })),
                },
          ),
        ),
      ).params.configuration
    expect(of('0.3', { blocking: true })).toEqual({})
    expect(of('0.3', {})).toEqual({})
    expect(of('0.3', { blocking: false })).toEqual({ returnImmediately: true })
    // Protobuf leaves out what is false.
    expect(of('1.0', {})).toEqual({ returnImmediately: true })
  })

  test.each([
    ['submitted', false],
    ['working', false],
    ['input-required', false],
    ['completed', true],
    ['canceled', true],
    ['failed', true],
    ['rejected', true],
    ['auth-required', false],
    ['unknown', false],
  ])('the state %s', (legacy, final) => {
    const update = { kind: 'status-update', taskId: 't', contextId: 'c', status: { state: legacy }, final }
    const neutral = readResult('streamMessage', update, rpc03)
    expect(neutral).toEqual({
      statusUpdate: {
        taskId: 't',
        contextId: 'c',
        status: legacy === 'unknown' ? {} : { state: `TASK_STATE_${legacy.toUpperCase().replace('-', '_')}` },
      },
    })
    expect(writeResult('streamMessage', neutral, rpc03)).toEqual(update)
    const proto = writeResult('streamMessage', neutral, http03) as { statusUpdate: { status: { state: string } } }
    expect(proto.statusUpdate.status.state).toBe(
      legacy === 'canceled'
        ? 'TASK_STATE_CANCELLED'
        : legacy === 'unknown'
          ? 'TASK_STATE_UNSPECIFIED'
          : `TASK_STATE_${legacy.toUpperCase().replace('-', '_')}`,
    )
  })

  test('times with an offset, or none, are UTC in 1.0', () => {
    const task = (timestamp: string) => ({
      kind: 'task',
      id: 't',
      contextId: 'c',
      status: { state: 'working', timestamp },
    })
    const read = (timestamp: string) => readResult('getTask', task(timestamp), rpc03).status
    expect(read('2025-01-02T03:04:05+02:00')).toMatchObject({ timestamp: '2025-01-02T01:04:05Z' })
    expect(read('2025-01-02T03:04:05')).toMatchObject({ timestamp: '2025-01-02T03:04:05Z' })
    expect(read('yesterday')).toEqual({ state: 'TASK_STATE_WORKING' })
  })

  test('answers whole', () => {
    const task = readResult('getTask', { id: 't', contextId: 'c', status: { state: 'TASK_STATE_WORKING' } }, rpc10)
    expect(JSON.parse(writeAnswer('getTask', task, rpc03, 'x').body)).toEqual({
      jsonrpc: '2.0',
      id: 'x',
      result: { kind: 'task', id: 't', contextId: 'c', status: { state: 'working' } },
    })
    expect(writeEvent('streamMessage', { task }, { binding: 'http+json', version: '1.0' }, null)).toBe(
      `data: ${JSON.stringify({ task })}\n\n`,
    )
    expect(writeAnswer('deletePushConfig', {}, http03, null).status).toBe(204)
    expect(JSON.parse(writeAnswer('deletePushConfig', {}, rpc03, 1).body).result).toBeNull()
    expect(JSON.parse(writeAnswer('listTasks', {}, rpc10, 1).body).result).toEqual({
      tasks: [],
      nextPageToken: '',
      pageSize: 0,
      totalSize: 0,
    })
  })

  test('push configs in a list', () => {
    const list = [{ taskId: 't', pushNotificationConfig: { id: 'p', url: 'https://x.example' } }]
    const neutral = readResult('listPushConfigs', list, rpc03)
    expect(neutral).toEqual({ configs: [{ taskId: 't', id: 'p', url: 'https://x.example' }] })
    expect(writeResult('listPushConfigs', neutral, rpc03)).toEqual(list)
    expect(writeResult('listPushConfigs', neutral, http03)).toEqual({
      configs: [
        { name: 'tasks/t/pushNotificationConfigs/p', pushNotificationConfig: { id: 'p', url: 'https://x.example' } },
      ],
    })
  })
})

describe('what cannot be said is refused', () => {
  const said = (data: unknown) => ({ message: { messageId: 'm', role: 'ROLE_USER', parts: [{ data }] } })
  const refusals: Record<(typeof losses.refused)[number]['what'], () => unknown> = {
    'listing tasks of an agent of 0.3': () => writeRequest({ operation: 'listTasks', params: {} }, rpc03),
    'a tenant, to an agent of 0.3': () =>
      writeRequest({ operation: 'getTask', params: { id: 't', tenant: 'a' } }, rpc03),
    'data that is no object, to an agent of 0.3 over HTTP+JSON or gRPC': () =>
      writeRequest({ operation: 'sendMessage', params: said([1]) }, http03),
    'a page token for push configs, to an agent of 0.3 over JSON-RPC': () =>
      writeRequest({ operation: 'listPushConfigs', params: { taskId: 't', pageToken: 'p' } }, rpc03),
    'more than one page of push configs, to a client of 0.3 over JSON-RPC': () =>
      writeResult('listPushConfigs', { configs: [], nextPageToken: 'p' }, rpc03),
    'a push config without its id, from an agent of 1.0': () =>
      writeRequest({ operation: 'getPushConfig', params: { taskId: 't' } }, rpc10),
    'a task’s id with a slash, to an agent of 0.3 over HTTP+JSON or gRPC': () =>
      writeRequest({ operation: 'getTask', params: { id: 'a/../b' } }, http03),
  }
  test.each(losses.refused)('$what', ({ what, error }) => {
    expect(refusals[what]).toThrow(expect.objectContaining({ kind: error }))
  })

  test.each(wires)('listing tasks over $binding $version', (wire) => {
    const write = () => writeRequest({ operation: 'listTasks', params: {} }, wire)
    if (wire.version === '0.3') expect(write).toThrow(A2aError)
    else expect(write()).toBeDefined()
  })
})

describe('agents that answer with something else', () => {
  const rubbish: [string, unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a text', 'done'],
    ['a list', [1]],
    ['a kind of nobody', { kind: 'surprise' }],
    ['a task with a status that is none', { kind: 'task', id: 't', status: 'working' }],
    ['parts that are none', { kind: 'message', messageId: 'm', role: 'agent', parts: 'hi' }],
    [
      'two contents',
      { message: { messageId: 'm', role: 'ROLE_AGENT', content: [{ text: 'a', file: { fileWithUri: 'b' } }] } },
    ],
  ]
  test.each(rubbish)('%s', (_, value) => {
    expect(() => readResult('sendMessage', value, rpc03)).toThrow(
      expect.objectContaining({ kind: 'invalidAgentResponse' }),
    )
  })

  test('any JSON is read or refused, on every wire', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...operations),
        fc.constantFrom(...wires),
        fc.jsonValue({ maxDepth: 4 }),
        (operation, wire, value) => {
          try {
            readResult(operation, value, wire)
          } catch (error) {
            expect(error).toBeInstanceOf(A2aError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
