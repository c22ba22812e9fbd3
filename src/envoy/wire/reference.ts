/**
 * The codec as protobuf-es does it, against which tests and the benchmark hold the hand-written one. The service does
 * not use it.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { HeaderValueOption_HeaderAppendAction } from '#gen/envoy/config/core/v3/base_pb.js'
import { CheckRequestSchema, CheckResponseSchema } from '#gen/envoy/service/auth/v3/external_auth_pb.js'
import {
  CommonResponse_ResponseStatus,
  ProcessingRequestSchema,
  ProcessingResponseSchema,
} from '#gen/envoy/service/ext_proc/v3/external_processor_pb.js'
import type { LocalAnswer, RequestTransform, ResponseTransform } from '../../protocol.ts'
import { upstreamMetadataAttribute } from '../names.ts'
import type { CheckedRequest } from './check.ts'
import type { ProcessingMessage } from './process.ts'

const noBytes = new Uint8Array(0)

export function decodeCheckRequest(bytes: Uint8Array): CheckedRequest {
  const { attributes } = fromBinary(CheckRequestSchema, bytes)
  const http = attributes?.request?.http
  if (!http) throw new Error('a check without an HTTP request')
  const address = attributes?.destination?.address?.address
  const specifier = address?.case === 'socketAddress' ? address.value.portSpecifier : undefined
  return {
    port: specifier?.case === 'portValue' ? specifier.value : 0,
    method: http.method,
    path: http.path,
    headers: new Map([...Object.entries(http.headers), ...headerMap(http.headerMap?.headers)]),
    body: http.rawBody.length > 0 ? http.rawBody : http.body === '' ? noBytes : Buffer.from(http.body),
  }
}

// ext_authz reads HeaderValue.value and ignores raw_value.
const overwriteValue = (key: string, value: string) => ({
  header: { key, value },
  appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
})

export function encodeAllowed(headers: [name: string, value: string][]): Uint8Array {
  return toBinary(
    CheckResponseSchema,
    create(CheckResponseSchema, {
      status: { code: 0 },
      httpResponse: {
        case: 'okResponse',
        value: { headers: headers.map(([key, value]) => overwriteValue(key, value)) },
      },
    }),
  )
}

const permissionDenied = 7

export function encodeAnswer(answer: LocalAnswer): Uint8Array {
  return toBinary(
    CheckResponseSchema,
    create(CheckResponseSchema, {
      status: { code: permissionDenied },
      httpResponse: {
        case: 'deniedResponse',
        value: {
          status: { code: answer.status },
          headers: answer.headers.map(([key, value]) => overwriteValue(key, value)),
          body: answer.body,
        },
      },
    }),
  )
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function headerMap(headers: { key: string; value: string; rawValue: Uint8Array }[] | undefined): Map<string, string> {
  const map = new Map<string, string>()
  for (const header of headers ?? [])
    map.set(header.key, header.rawValue.length > 0 ? decoder.decode(header.rawValue) : header.value)
  return map
}

export function decodeProcessingRequest(bytes: Uint8Array): ProcessingMessage {
  const message = fromBinary(ProcessingRequestSchema, bytes)
  switch (message.request.case) {
    case 'requestHeaders': {
      let upstream = ''
      for (const struct of Object.values(message.attributes)) {
        const value = (struct as Record<string, unknown>)[upstreamMetadataAttribute]
        if (typeof value === 'string') upstream = value
      }
      return { type: 'requestHeaders', headers: headerMap(message.request.value.headers?.headers), upstream }
    }
    case 'responseHeaders':
      return {
        type: 'responseHeaders',
        headers: headerMap(message.request.value.headers?.headers),
        last: message.request.value.endOfStream,
      }
    case 'responseBody':
      return { type: 'responseBody', chunk: message.request.value.body, last: message.request.value.endOfStream }
    default:
      return { type: 'other' }
  }
}

const encoder = new TextEncoder()

// ext_proc wants raw_value.
const overwriteRaw = ([key, value]: [string, string]) => ({
  header: { key, rawValue: encoder.encode(value) },
  appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
})

export function encodeRequestTransform(transform: RequestTransform & { type: 'forward' }): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: 'requestHeaders',
        value: {
          response: {
            status: transform.body
              ? CommonResponse_ResponseStatus.CONTINUE_AND_REPLACE
              : CommonResponse_ResponseStatus.CONTINUE,
            headerMutation: { setHeaders: transform.set.map(overwriteRaw), removeHeaders: [...transform.remove] },
            ...(transform.body && { bodyMutation: { mutation: { case: 'body', value: transform.body } } }),
          },
        },
      },
    }),
  )
}

export function encodeResponseTransform(transform: ResponseTransform): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: 'responseHeaders',
        value: {
          response: {
            headerMutation: { setHeaders: transform.set.map(overwriteRaw), removeHeaders: [...transform.remove] },
          },
        },
      },
    }),
  )
}

export function encodeBody(chunk: Uint8Array | undefined): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: 'responseBody',
        value: {
          response: chunk
            ? {
                bodyMutation: {
                  mutation: chunk.length > 0 ? { case: 'body', value: chunk } : { case: 'clearBody', value: true },
                },
              }
            : {},
        },
      },
    }),
  )
}

export function encodeImmediate(answer: LocalAnswer): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: 'immediateResponse',
        value: {
          status: { code: answer.status },
          headers: { setHeaders: answer.headers.map(overwriteRaw) },
          body: encoder.encode(answer.body),
          details: 'chaperone_answer',
        },
      },
    }),
  )
}
