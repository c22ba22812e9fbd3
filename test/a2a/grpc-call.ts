import { connect, type IncomingHttpHeaders } from 'node:http2'
import { create, type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '#gen/google/rpc/status_pb.js'
import { FrameReader, writeFrame } from '../../src/a2a/grpc/frames.ts'
import { type A2aOperation, type A2aVersion, grpcService, methodName } from '../../src/a2a/operations.ts'
import { messagesOf } from '../../src/a2a/translate/schemas.ts'

/** Calls of gRPC byte by byte, for what no client of an SDK would send, and to see what comes back as it is. */

export interface GrpcAnswer {
  httpStatus: number
  /** What came before the messages, or all there was. */
  headers: IncomingHttpHeaders
  /** `grpc-status`, wherever it stood; undefined: there was none. */
  status: number | undefined
  message: string
  /** Of the details. */
  reason: string | undefined
  domain: string | undefined
  metadata: Record<string, string>
  /** In protobuf's JSON. */
  messages: Record<string, unknown>[]
}

/** A message as it goes over the wire. */
export function frameOf(operation: A2aOperation, version: A2aVersion, json: object): Uint8Array {
  const { request } = messagesOf(operation, version)
  return writeFrame(toBinary(request, fromJson(request, json as JsonValue)))
}

/**
 * Calls an operation.
 * @param base `http://HOST:PORT` or https
 * @param call what is asked, in protobuf's JSON, or the bytes themselves, at a path of its own
 * @param options `seen` is told of each message as it comes; `ca` whom to trust
 */
export function grpcCall(
  base: string,
  call: { operation: A2aOperation; version?: A2aVersion; json?: object; body?: Uint8Array; path?: string },
  headers: Record<string, string> = {},
  options: { seen?: (message: Record<string, unknown>) => void; ca?: string; signal?: AbortSignal } = {},
): Promise<GrpcAnswer> {
  const { operation, version = '1.0', json = {} } = call
  const path = call.path ?? `/${grpcService[version]}/${methodName(operation, 'grpc', version)}`
  const { result } = messagesOf(operation, version)
  return new Promise((resolve, reject) => {
    const session = connect(base, options.ca === undefined ? {} : { ca: options.ca })
    session.on('error', reject)
    const stream = session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers },
      { ...(options.signal && { signal: options.signal }) },
    )
    const reader = new FrameReader(64 * 1024 * 1024)
    let head: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    const messages: Record<string, unknown>[] = []
    stream.on('response', (got) => {
      head = got
    })
    stream.on('trailers', (got) => {
      trailers = got
    })
    stream.on('data', (piece: Uint8Array) => {
      if (!String(head['content-type']).startsWith('application/grpc')) return
      for (const bytes of reader.push(piece)) {
        const message = toJson(result as DescMessage, fromBinary(result, bytes)) as Record<string, unknown>
        messages.push(message)
        options.seen?.(message)
      }
    })
    stream.on('error', (error) => {
      session.destroy()
      reject(error)
    })
    stream.on('close', () => {
      session.close()
      resolve(answerOf(head, trailers, messages))
    })
    stream.end(call.body ?? frameOf(operation, version, json))
  })
}

function answerOf(
  head: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders,
  messages: Record<string, unknown>[],
): GrpcAnswer {
  const last = trailers['grpc-status'] === undefined ? head : trailers
  const bin = last['grpc-status-details-bin']
  const details = typeof bin === 'string' ? fromBinary(StatusSchema, Buffer.from(bin, 'base64')).details : []
  const info = details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'))
  const { reason, domain, metadata } = info
    ? fromBinary(ErrorInfoSchema, info.value)
    : create(ErrorInfoSchema, { reason: '', domain: '' })
  return {
    httpStatus: Number(head[':status']),
    headers: head,
    status: last['grpc-status'] === undefined ? undefined : Number(last['grpc-status']),
    message: decodeURIComponent(String(last['grpc-message'] ?? '')),
    reason: reason === '' ? undefined : reason,
    domain: domain === '' ? undefined : domain,
    metadata,
    messages,
  }
}
