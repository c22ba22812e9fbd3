import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { HeaderValueOption_HeaderAppendAction } from '#gen/envoy/config/core/v3/base_pb.js'
import { CheckRequestSchema, CheckResponseSchema } from '#gen/envoy/service/auth/v3/external_auth_pb.js'
import type { AgentRequest, LocalAnswer } from '../../protocol.ts'

/** What ext_authz asks: a request that has no id of ours yet. */
export type CheckedRequest = Omit<AgentRequest, 'id' | 'arrived'>

const noBytes = new Uint8Array(0)

/** Decodes a CheckRequest (envoy.service.auth.v3). @throws {Error} on bytes that are none. */
export function decodeCheckRequest(bytes: Uint8Array): CheckedRequest {
  const http = fromBinary(CheckRequestSchema, bytes).attributes?.request?.http
  if (!http) throw new Error('a check without an HTTP request')
  return {
    method: http.method,
    path: http.path,
    headers: new Map(Object.entries(http.headers)),
    body: http.rawBody.length > 0 ? http.rawBody : http.body === '' ? noBytes : Buffer.from(http.body),
  }
}

// ext_authz reads HeaderValue.value and ignores raw_value.
const overwrite = (key: string, value: string) => ({
  header: { key, value },
  appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
})

/** Encodes a CheckResponse that lets the request go on with these headers overwritten. */
export function encodeAllowed(headers: [name: string, value: string][]): Uint8Array {
  return toBinary(
    CheckResponseSchema,
    create(CheckResponseSchema, {
      status: { code: 0 },
      httpResponse: { case: 'okResponse', value: { headers: headers.map(([key, value]) => overwrite(key, value)) } },
    }),
  )
}

const permissionDenied = 7

/** Encodes a CheckResponse with an answer of our own. Its HTTP status may be any, 200 too. */
export function encodeAnswer(answer: LocalAnswer): Uint8Array {
  return toBinary(
    CheckResponseSchema,
    create(CheckResponseSchema, {
      status: { code: permissionDenied },
      httpResponse: {
        case: 'deniedResponse',
        value: {
          status: { code: answer.status },
          headers: answer.headers.map(([key, value]) => overwrite(key, value)),
          body: answer.body,
        },
      },
    }),
  )
}
