import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { HeaderValueOption_HeaderAppendAction } from '#gen/envoy/config/core/v3/base_pb.js'
import {
  CommonResponse_ResponseStatus,
  ProcessingRequestSchema,
  ProcessingResponseSchema,
} from '#gen/envoy/service/ext_proc/v3/external_processor_pb.js'
import type { LocalAnswer, RequestTransform, ResponseTransform } from '../../protocol.ts'
import { upstreamMetadataAttribute } from '../names.ts'

/** One message of ext_proc, as far as it is used. */
export type ProcessingMessage =
  | { type: 'requestHeaders'; headers: Map<string, string>; upstream: string }
  | { type: 'responseHeaders'; headers: Map<string, string>; last: boolean }
  | { type: 'responseBody'; chunk: Uint8Array; last: boolean }
  | { type: 'other' }

const decoder = new TextDecoder()

function headerMap(headers: { key: string; value: string; rawValue: Uint8Array }[] | undefined): Map<string, string> {
  const map = new Map<string, string>()
  for (const header of headers ?? [])
    map.set(header.key, header.rawValue.length > 0 ? decoder.decode(header.rawValue) : header.value)
  return map
}

/** Decodes a ProcessingRequest (envoy.service.ext_proc.v3). @throws {Error} on bytes that are none. */
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
const overwrite = ([key, value]: [string, string]) => ({
  header: { key, rawValue: encoder.encode(value) },
  appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
})

/** Answers request headers: the attempt goes on, changed. */
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
            headerMutation: { setHeaders: transform.set.map(overwrite), removeHeaders: [...transform.remove] },
            ...(transform.body && { bodyMutation: { mutation: { case: 'body', value: transform.body } } }),
          },
        },
      },
    }),
  )
}

/** Answers response headers. */
export function encodeResponseTransform(transform: ResponseTransform): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: 'responseHeaders',
        value: {
          response: {
            headerMutation: { setHeaders: transform.set.map(overwrite), removeHeaders: [...transform.remove] },
          },
        },
      },
    }),
  )
}

/** Answers a piece of the response body. @param chunk what to send instead; undefined: the piece as it is */
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

/** Ends the request with an answer of our own; Envoy does not retry it. */
export function encodeImmediate(answer: LocalAnswer): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: 'immediateResponse',
        value: {
          status: { code: answer.status },
          headers: { setHeaders: answer.headers.map(overwrite) },
          body: encoder.encode(answer.body),
          details: 'chaperone_answer',
        },
      },
    }),
  )
}
