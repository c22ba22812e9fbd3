import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ProcessingRequest,
  ProcessingRequestSchema,
} from '#gen/envoy/service/ext_proc/v3/external_processor_pb.js'
import { upstreamMetadataAttribute } from '../names.ts'
import { bytes, headers, name, text, unknownFields } from './arbitraries.ts'
import {
  decodeProcessingRequest,
  encodeBody,
  encodeImmediate,
  encodeRequestTransform,
  encodeResponseTransform,
  type ProcessingMessage,
} from './process.ts'
import * as reference from './reference.ts'

const header = fc.record({ key: name, value: text, rawValue: fc.oneof(fc.constant(new Uint8Array(0)), bytes) })
const headersMessage = fc.record({
  headers: fc.option(fc.record({ headers: fc.array(header, { maxLength: 20 }) }), { nil: undefined }),
  endOfStream: fc.boolean(),
})
const bodyMessage = fc.record({ body: bytes, endOfStream: fc.boolean() })

const inCase = <Case extends string, Value>(kind: Case, value: fc.Arbitrary<Value>) =>
  value.map((value) => ({ case: kind, value }))
const request = fc.oneof(
  inCase('requestHeaders', headersMessage),
  inCase('responseHeaders', headersMessage),
  inCase('requestBody', bodyMessage),
  inCase('responseBody', bodyMessage),
  inCase('requestTrailers', fc.constant({})),
  inCase('responseTrailers', fc.constant({})),
  fc.constant({ case: undefined }),
)
const attributeName = fc.oneof(fc.constantFrom(upstreamMetadataAttribute, 'xds.upstream_host_metadatum'), name)
const attributeValue = fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
const attributes = fc
  .array(fc.tuple(attributeName, attributeValue), { maxLength: 5 })
  .map((pairs) => Object.fromEntries(pairs.filter(([name]) => name !== '__proto__')))
const processingRequest = fc
  .record({
    request,
    attributes: fc.oneof(
      fc.constant({}),
      attributes.map((struct) => ({ 'envoy.filters.http.ext_proc': struct })),
    ),
    observabilityMode: fc.boolean(),
  })
  .map((message) => create(ProcessingRequestSchema, { ...message, protocolConfig: { responseBodyMode: 4 } }))

const encoded = (message: ProcessingRequest): Buffer => Buffer.from(toBinary(ProcessingRequestSchema, message))

const plain = (message: ProcessingMessage) => ({
  ...message,
  ...('headers' in message && { headers: new Map(message.headers) }),
  ...('chunk' in message && { chunk: Buffer.from(message.chunk) }),
})

function expectAsReference(message: Uint8Array): void {
  const decoded = decodeProcessingRequest(message)
  const expected = reference.decodeProcessingRequest(message)
  if ('headers' in decoded && 'headers' in expected)
    for (const [name, value] of expected.headers) expect(decoded.headers.get(name)).toBe(value)
  expect(plain(decoded)).toEqual(plain(expected))
}

describe('decodeProcessingRequest', () => {
  it('decodes what protobuf-es encodes as protobuf-es does', () => {
    fc.assert(
      fc.property(processingRequest, (message) => expectAsReference(encoded(message))),
      { numRuns: 500 },
    )
  })

  it('puts a message together that comes in parts; the last kind of request counts', () => {
    fc.assert(
      fc.property(processingRequest, processingRequest, (first, second) => {
        second.attributes = {}
        expectAsReference(Buffer.concat([encoded(first), encoded(second)]))
      }),
      { numRuns: 500 },
    )
  })

  it('passes unknown fields at every level', () => {
    fc.assert(
      fc.property(processingRequest, fc.array(unknownFields, { minLength: 4, maxLength: 4 }), (message, unknown) => {
        const known = plain(decodeProcessingRequest(encoded(message)))
        message.$unknown = unknown[0]!
        const { request } = message
        if (request.value) request.value.$unknown = unknown[1]!
        if (request.case === 'requestHeaders' || request.case === 'responseHeaders') {
          const map = request.value.headers
          if (map) map.$unknown = unknown[2]!
          for (const header of map?.headers ?? []) header.$unknown = unknown[3]!
        }
        expect(plain(decodeProcessingRequest(encoded(message)))).toEqual(known)
      }),
    )
  })

  it('throws on a message cut anywhere, unless what is left is whole', () => {
    fc.assert(
      fc.property(processingRequest, (message) => {
        const whole = encoded(message)
        for (let length = 0; length < whole.length; length++) {
          const cut = whole.subarray(0, length)
          try {
            decodeProcessingRequest(cut)
          } catch (error) {
            expect(error).toBeInstanceOf(Error)
            continue
          }
          expectAsReference(cut)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('throws an Error or decodes, whatever the bytes are', () => {
    fc.assert(
      fc.property(processingRequest, fc.nat(), fc.nat(255), (message, place, byte) => {
        const changed = encoded(message)
        if (changed.length > 0) changed[place % changed.length] = byte
        try {
          plain(decodeProcessingRequest(changed))
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('gives a chunk as a view', () => {
    const body = Buffer.alloc(100_000, 'x')
    const message = encoded(create(ProcessingRequestSchema, { request: { case: 'responseBody', value: { body } } }))
    const decoded = decodeProcessingRequest(message)
    if (decoded.type !== 'responseBody') throw new Error(decoded.type)
    expect(decoded.chunk.buffer).toBe(message.buffer)
    expect(body.equals(decoded.chunk)).toBe(true)
  })
})

describe('the answers', () => {
  const status = fc.integer({ min: 0, max: 999 })
  const removed = fc.array(name, { maxLength: 10 })

  it('to headers are what protobuf-es encodes', () => {
    fc.assert(
      fc.property(headers, removed, fc.option(bytes, { nil: undefined }), (set, remove, body) => {
        const forward = { type: 'forward' as const, set, remove, ...(body && { body }) }
        expect(encodeRequestTransform(forward)).toEqual(Buffer.from(reference.encodeRequestTransform(forward)))
        const head = { set, remove }
        expect(encodeResponseTransform(head)).toEqual(Buffer.from(reference.encodeResponseTransform(head)))
      }),
    )
  })

  it('to a piece of the body are what protobuf-es encodes', () => {
    for (const chunk of [
      undefined,
      new Uint8Array(0),
      ...[1, 127, 128, 16_384, 3 << 20].map((n) => Buffer.alloc(n, 'x')),
    ])
      expect(Buffer.from(reference.encodeBody(chunk)).equals(encodeBody(chunk))).toBe(true)
  })

  it('of our own are what protobuf-es encodes', () => {
    fc.assert(
      fc.property(headers, status, text, (headers, status, body) => {
        const answer = { status, headers, body }
        expect(encodeImmediate(answer)).toEqual(Buffer.from(reference.encodeImmediate(answer)))
      }),
    )
  })
})
