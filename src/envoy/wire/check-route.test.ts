import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { CheckRequestSchema, CheckResponseSchema } from '#gen/envoy/service/auth/v3/external_auth_pb.js'
import { decodeCheckRequest, encodeAllowed } from './check.ts'

/** Held against generated code: what routes of plain HTTP add to checks. */

const requestWith = (contextExtensions: Record<string, string>) =>
  decodeCheckRequest(
    toBinary(
      CheckRequestSchema,
      create(CheckRequestSchema, {
        attributes: { contextExtensions, request: { http: { method: 'GET', path: '/x' } } },
      }),
    ),
  )

test('the route is read from the context that Envoy’s configuration adds', () => {
  expect(requestWith({ route: 'shop' }).route).toBe('shop')
  expect(requestWith({ other: 'x', route: 'café', more: 'y' }).route).toBe('café')
  expect(requestWith({ other: 'shop' }).route).toBeUndefined()
  expect(requestWith({}).route).toBeUndefined()
})

test('headers are set and taken off', () => {
  const response = fromBinary(CheckResponseSchema, encodeAllowed([['x-user', 'ann']], ['authorization', 'x-team']))
  expect(response.status?.code ?? 0).toBe(0)
  expect(response.httpResponse.case).toBe('okResponse')
  const ok = response.httpResponse.value as { headersToRemove: string[]; headers: { header?: { key: string } }[] }
  expect([...ok.headersToRemove].sort()).toEqual(['authorization', 'x-team'])
  expect(ok.headers.map(({ header }) => header?.key)).toEqual(['x-user'])
})
