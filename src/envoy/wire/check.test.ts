import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CheckRequest, CheckRequestSchema } from '#gen/envoy/service/auth/v3/external_auth_pb.js'
import { bytes, headers, text, unknownFields } from './arbitraries.ts'
import { type CheckedRequest, decodeCheckRequest, encodeAllowed, encodeAnswer } from './check.ts'
import * as reference from './reference.ts'

const headerMap = fc.array(fc.record({ key: text, value: text, rawValue: bytes }), { maxLength: 5 })
const checkRequest = fc
  .record({
    method: fc.oneof(fc.constant('POST'), text),
    path: text,
    headers: headers.map((pairs) => Object.fromEntries(pairs.filter(([name]) => name !== '__proto__'))),
    headerMap: fc.option(
      headerMap.map((list) => ({ headers: list })),
      { nil: undefined },
    ),
    body: text,
    rawBody: fc.oneof(fc.constant(new Uint8Array(0)), bytes),
    host: text,
    size: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  })
  .chain((http) => fc.nat(65_535).map((port) => create(CheckRequestSchema, whole(http, port))))

function whole(http: NonNullable<Extract<Http, object>>, port = 10_000): MessageInitShape<typeof CheckRequestSchema> {
  return {
    attributes: {
      source: { service: 'client', labels: { a: 'b' } },
      destination: {
        service: 'x',
        address: {
          address: {
            case: 'socketAddress',
            value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: port } },
          },
        },
      },
      request: { time: { seconds: 1n, nanos: 2 }, http },
      contextExtensions: { route: 'x' },
    },
  }
}
type Attributes = Exclude<MessageInitShape<typeof CheckRequestSchema>['attributes'], undefined>
type Http = Exclude<Attributes['request'], undefined>['http']

const encoded = (message: CheckRequest): Buffer => Buffer.from(toBinary(CheckRequestSchema, message))

const plain = ({ method, path, headers, port, body }: CheckedRequest) => ({
  method,
  port,
  path,
  headers: new Map(headers),
  body: Buffer.from(body),
})

function expectAsReference(message: Uint8Array): void {
  const decoded = decodeCheckRequest(message)
  const expected = reference.decodeCheckRequest(message)
  for (const [name, value] of expected.headers) {
    expect(decoded.headers.get(name)).toBe(value)
    expect(decoded.headers.has(name)).toBe(true)
  }
  expect(plain(decoded)).toEqual(plain(expected))
}

/** A message inside others, from the innermost field out. */
const nested = (message: Uint8Array, ...fields: number[]): Uint8Array =>
  fields.reduce(
    (inner, field) => new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(inner).finish(),
    message,
  )

describe('decodeCheckRequest', () => {
  it('decodes what protobuf-es encodes as protobuf-es does', () => {
    fc.assert(fc.property(checkRequest, (message) => expectAsReference(encoded(message))))
  })

  it('puts a message together that comes in parts', () => {
    fc.assert(
      fc.property(checkRequest, checkRequest, (first, second) => {
        // A header_map is a message: its parts would be of one, not one after the other.
        delete second.attributes!.request!.http!.headerMap
        delete first.attributes!.request!.http!.headerMap
        expectAsReference(Buffer.concat([encoded(first), encoded(second)]))
      }),
    )
  })

  it('passes unknown fields at every level', () => {
    fc.assert(
      fc.property(checkRequest, fc.array(unknownFields, { minLength: 6, maxLength: 6 }), (message, unknown) => {
        const known = plain(decodeCheckRequest(encoded(message)))
        const request = message.attributes!.request!
        message.$unknown = unknown[0]!
        message.attributes!.$unknown = unknown[1]!
        request.$unknown = unknown[2]!
        request.http!.$unknown = unknown[3]!
        if (request.http!.headerMap) {
          request.http!.headerMap.$unknown = unknown[4]!
          for (const header of request.http!.headerMap.headers) header.$unknown = unknown[5]!
        }
        expect(plain(decodeCheckRequest(encoded(message)))).toEqual(known)
      }),
    )
  })

  it('throws on a message cut anywhere, unless what is left is whole', () => {
    fc.assert(
      fc.property(checkRequest, (message) => {
        const whole = encoded(message)
        for (let length = 0; length < whole.length; length++) {
          const cut = whole.subarray(0, length)
          try {
            decodeCheckRequest(cut)
          } catch (error) {
            expect(error).toBeInstanceOf(Error)
            continue
          }
          expectAsReference(cut)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('throws an Error or decodes, whatever the bytes are', () => {
    fc.assert(
      fc.property(checkRequest, fc.nat(), fc.nat(255), (message, place, byte) => {
        const changed = encoded(message)
        changed[place % changed.length] = byte
        try {
          plain(decodeCheckRequest(changed))
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('wants an HTTP request', () => {
    for (const message of [{}, { attributes: {} }, { attributes: { request: {} } }])
      expect(() => decodeCheckRequest(encoded(create(CheckRequestSchema, message)))).toThrow('without an HTTP request')
  })

  it('gives the body as a view', () => {
    for (const length of [1, 2048, 32 << 20]) {
      const message = encoded(create(CheckRequestSchema, whole({ rawBody: Buffer.alloc(length, 'x') })))
      const { body } = decodeCheckRequest(message)
      expect(body.length).toBe(length)
      expect(body.buffer).toBe(message.buffer)
    }
  })

  it('takes any Uint8Array', () => {
    const message = toBinary(CheckRequestSchema, create(CheckRequestSchema, whole({ headers: { a: 'b' }, path: '/ü' })))
    const shifted = new Uint8Array(message.length + 3).subarray(3)
    shifted.set(message)
    const { path, headers } = decodeCheckRequest(shifted)
    expect([path, headers.get('a')]).toEqual(['/ü', 'b'])
  })

  it('takes the fields of a header in any order, missing or more than once', () => {
    const field = fc.tuple(fc.constantFrom(1, 1, 2, 2, 3, 4), text)
    fc.assert(
      fc.property(fc.array(fc.array(field, { maxLength: 4 }), { maxLength: 4 }), fc.boolean(), (entries, inMap) => {
        const http = new BinaryWriter()
        for (const entry of entries) {
          const header = new BinaryWriter()
          for (const [no, content] of entry) header.tag(no, WireType.LengthDelimited).string(content)
          if (inMap) http.tag(3, WireType.LengthDelimited).bytes(header.finish())
          else http.tag(13, WireType.LengthDelimited).bytes(nested(header.finish(), 1))
        }
        expectAsReference(nested(http.finish(), 2, 4, 1))
      }),
      { numRuns: 500 },
    )
  })

  it('takes header values that are no UTF-8, with U+FFFD in place of what is wrong', () => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    fc.assert(
      fc.property(bytes, (value) => {
        const entry = new BinaryWriter().tag(1, WireType.LengthDelimited).string('a')
        entry.tag(2, WireType.LengthDelimited).bytes(value)
        expect(decodeCheckRequest(nested(entry.finish(), 3, 2, 4, 1)).headers.get('a')).toBe(decoder.decode(value))
      }),
    )
  })
})

describe('encodeAllowed and encodeAnswer', () => {
  const status = fc.integer({ min: 0, max: 999 })

  it('encode what protobuf-es encodes', () => {
    fc.assert(
      fc.property(headers, status, text, (headers, status, body) => {
        expect(encodeAllowed(headers)).toEqual(Buffer.from(reference.encodeAllowed(headers)))
        const answer = { status, headers, body }
        expect(encodeAnswer(answer)).toEqual(Buffer.from(reference.encodeAnswer(answer)))
      }),
    )
  })
})
