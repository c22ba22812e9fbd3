import type { LocalAnswer, RequestTransform, ResponseTransform } from '../../protocol.ts'
import { upstreamMetadataAttribute } from '../names.ts'
import { isAt, readHeaderMap, WireHeaders } from './headers.ts'
import { writeHeaderMutation } from './mutations.ts'
import { lengthTag, Reader, varintTag } from './reader.ts'
import { writer } from './writer.ts'

/** One message of ext_proc, as far as it is used. */
export type ProcessingMessage =
  | { type: 'requestHeaders'; headers: ReadonlyMap<string, string>; upstream: string }
  | { type: 'responseHeaders'; headers: ReadonlyMap<string, string>; last: boolean }
  | { type: 'responseBody'; chunk: Uint8Array; last: boolean }
  | { type: 'other' }

const processingRequest = {
  requestHeaders: lengthTag(2),
  responseHeaders: lengthTag(3),
  requestBody: lengthTag(4),
  responseBody: lengthTag(5),
  requestTrailers: lengthTag(6),
  responseTrailers: lengthTag(7),
  attributes: lengthTag(9),
}
const httpHeaders = { headers: lengthTag(1), endOfStream: varintTag(3) }
const httpBody = { body: lengthTag(1), endOfStream: varintTag(2) }

const noBytes = new Uint8Array(0)

/** The one member of the `request` oneof that the message has: the last of those sent. */
class Request {
  readonly tag: number
  readonly headers: WireHeaders
  chunk: Uint8Array = noBytes
  last = false

  constructor(tag: number, bytes: Buffer) {
    this.tag = tag
    this.headers = new WireHeaders(bytes)
  }
}

/**
 * Decodes a ProcessingRequest (envoy.service.ext_proc.v3).
 * @param bytes must not change from now on: the chunk is a view of them, and headers are decoded when they are asked
 *   for
 * @throws {Error} on bytes that are none.
 */
export function decodeProcessingRequest(bytes: Uint8Array): ProcessingMessage {
  const reader = new Reader(bytes)
  let request: Request | undefined
  let upstream = ''
  while (!reader.done) {
    const tag = reader.tag()
    switch (tag) {
      case processingRequest.requestHeaders:
      case processingRequest.responseHeaders:
        if (request?.tag !== tag) request = new Request(tag, reader.bytes)
        readHttpHeaders(reader, request)
        break
      case processingRequest.responseBody:
        if (request?.tag !== tag) request = new Request(tag, reader.bytes)
        readHttpBody(reader, request)
        break
      case processingRequest.requestBody:
      case processingRequest.requestTrailers:
      case processingRequest.responseTrailers:
        request = undefined
        reader.skip(tag)
        break
      case processingRequest.attributes:
        upstream = readAttributes(reader) ?? upstream
        break
      default:
        reader.skip(tag)
    }
  }
  switch (request?.tag) {
    case processingRequest.requestHeaders:
      return { type: 'requestHeaders', headers: request.headers, upstream }
    case processingRequest.responseHeaders:
      return { type: 'responseHeaders', headers: request.headers, last: request.last }
    case processingRequest.responseBody:
      return { type: 'responseBody', chunk: request.chunk, last: request.last }
    default:
      return { type: 'other' }
  }
}

function readHttpHeaders(reader: Reader, request: Request): void {
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === httpHeaders.headers) readHeaderMap(reader, request.headers)
    else if (tag === httpHeaders.endOfStream) request.last = reader.varint() !== 0
    else reader.skip(tag)
  }
  reader.leave(outer)
}

function readHttpBody(reader: Reader, request: Request): void {
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === httpBody.body) request.chunk = reader.view()
    else if (tag === httpBody.endOfStream) request.last = reader.varint() !== 0
    else reader.skip(tag)
  }
  reader.leave(outer)
}

/** An entry of a map, google.protobuf.Struct and google.protobuf.Value. */
const entry = { key: lengthTag(1), value: lengthTag(2) }
const struct = { fields: lengthTag(1) }
const value = { stringValue: lengthTag(3) }

/** Reads one entry of the attributes. @returns the upstream's metadata, where it is in it as text */
function readAttributes(reader: Reader): string | undefined {
  let upstream: string | undefined
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === entry.value) upstream = readStruct(reader) ?? upstream
    else reader.skip(tag)
  }
  reader.leave(outer)
  return upstream
}

function readStruct(reader: Reader): string | undefined {
  let upstream: string | undefined
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === struct.fields) upstream = readStructField(reader) ?? upstream
    else reader.skip(tag)
  }
  reader.leave(outer)
  return upstream
}

function readStructField(reader: Reader): string | undefined {
  let isUpstream = false
  let text: string | undefined
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === entry.key) {
      const length = reader.length()
      const start = reader.position
      reader.pass(length)
      isUpstream = length === upstreamMetadataAttribute.length && isAt(reader.bytes, start, upstreamMetadataAttribute)
    } else if (tag === entry.value) text = readValue(reader) ?? text
    else reader.skip(tag)
  }
  reader.leave(outer)
  return isUpstream ? text : undefined
}

function readValue(reader: Reader): string | undefined {
  let text: string | undefined
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === value.stringValue) text = reader.text()
    else reader.skip(tag)
  }
  reader.leave(outer)
  return text
}

const processingResponse = { requestHeaders: 1, responseHeaders: 2, responseBody: 4, immediateResponse: 7 }
/** Of HeadersResponse and BodyResponse alike. */
const phaseResponse = { response: 1 }
const commonResponse = { status: 1, headerMutation: 2, bodyMutation: 3 }
const bodyMutation = { body: 1, clearBody: 2 }
const continueAndReplace = 1

/** Answers request headers: the attempt goes on, changed. */
export function encodeRequestTransform(transform: RequestTransform & { type: 'forward' }): Uint8Array {
  writer.start()
  if (transform.body) {
    writer.bytes(bodyMutation.body, transform.body)
    writer.nest(commonResponse.bodyMutation, 0)
  }
  writeHeaderMutation(writer, commonResponse.headerMutation, transform.set, transform.remove)
  if (transform.body) writer.varint(commonResponse.status, continueAndReplace)
  writer.nest(phaseResponse.response, 0)
  writer.nest(processingResponse.requestHeaders, 0)
  return writer.finish()
}

/** Answers response headers. */
export function encodeResponseTransform(transform: ResponseTransform): Uint8Array {
  writer.start()
  writeHeaderMutation(writer, commonResponse.headerMutation, transform.set, transform.remove)
  writer.nest(phaseResponse.response, 0)
  writer.nest(processingResponse.responseHeaders, 0)
  return writer.finish()
}

/**
 * Answers a piece of the response body.
 * @param chunk what to send instead; undefined: the piece as it is
 * @returns bytes that may be the same each time: not to be changed
 */
export function encodeBody(chunk: Uint8Array | undefined): Uint8Array {
  if (!chunk) return pieceAsItIs
  return chunk.length > 0 ? encodeBodyResponse(chunk) : pieceDropped
}

const pieceAsItIs = encodeBodyResponse(undefined)
const pieceDropped = encodeBodyResponse(noBytes)

function encodeBodyResponse(chunk: Uint8Array | undefined): Uint8Array {
  writer.start()
  if (chunk) {
    if (chunk.length > 0) writer.bytes(bodyMutation.body, chunk)
    else writer.varint(bodyMutation.clearBody, 1)
    writer.nest(commonResponse.bodyMutation, 0)
  }
  writer.nest(phaseResponse.response, 0)
  writer.nest(processingResponse.responseBody, 0)
  return writer.finish()
}

const immediateResponse = { status: 1, headers: 2, body: 3, details: 5 }
const httpStatus = { code: 1 }
const details = 'chaperone_answer'

/** Ends the request with an answer of our own; Envoy does not retry it. */
export function encodeImmediate(answer: LocalAnswer): Uint8Array {
  writer.start()
  writer.text(immediateResponse.details, details)
  writer.text(immediateResponse.body, answer.body)
  writeHeaderMutation(writer, immediateResponse.headers, answer.headers, [])
  const end = writer.written
  writer.varint(httpStatus.code, answer.status)
  writer.nest(immediateResponse.status, end)
  writer.nest(processingResponse.immediateResponse, 0)
  return writer.finish()
}
