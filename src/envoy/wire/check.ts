import type { AgentRequest, LocalAnswer } from '../../protocol.ts'
import { readHeaderMap, readMapEntry, WireHeaders } from './headers.ts'
import { writeOverwrites } from './mutations.ts'
import { lengthTag, Reader, varintTag } from './reader.ts'
import { writer } from './writer.ts'

/** What ext_authz asks: a request that has no id of ours yet. */
export type CheckedRequest = Omit<AgentRequest, 'id' | 'arrived'>

const checkRequest = { attributes: lengthTag(1) }
const attributeContext = { destination: lengthTag(2), request: lengthTag(4), contextExtensions: lengthTag(10) }
const mapEntry = { key: lengthTag(1), value: lengthTag(2) }
/** What Envoy's configuration adds on routes of plain HTTP, and on those of listeners that catch calls to elsewhere. */
const routeExtension = 'route'
const egressExtension = 'egress'
const peer = { address: lengthTag(1) }
const address = { socketAddress: lengthTag(1) }
const socketAddress = { port: varintTag(3) }
const request = { http: lengthTag(2) }
const httpRequest = {
  method: lengthTag(2),
  headers: lengthTag(3),
  path: lengthTag(4),
  body: lengthTag(11),
  rawBody: lengthTag(12),
  headerMap: lengthTag(13),
}

const noBytes = new Uint8Array(0)

/** The request's fields, filled while they are read: a message that comes in parts is one message. */
class HttpRequest {
  method = ''
  path = ''
  readonly headers: WireHeaders
  /** Of the listener that took the connection. */
  port = 0
  /** Of plain HTTP. */
  route: string | undefined
  /** The listener that caught the request. */
  egress: string | undefined
  body: Uint8Array = noBytes
  rawBody: Uint8Array = noBytes

  constructor(bytes: Buffer) {
    this.headers = new WireHeaders(bytes)
  }
}

/**
 * Decodes a CheckRequest (envoy.service.auth.v3).
 * @param bytes must not change from now on: the body is a view of them, and headers are decoded when they are asked for
 * @throws {Error} on bytes that are none.
 */
export function decodeCheckRequest(bytes: Uint8Array): CheckedRequest {
  const reader = new Reader(bytes)
  const http = new HttpRequest(reader.bytes)
  let found = false
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === checkRequest.attributes) found = readAttributes(reader, http) || found
    else reader.skip(tag)
  }
  if (!found) throw new Error('a check without an HTTP request')
  const { method, path, headers, port, route, egress, body, rawBody } = http
  return { method, path, headers, port, route, egress, body: rawBody.length > 0 ? rawBody : body }
}

/** @returns whether the HTTP request was in it */
function readAttributes(reader: Reader, http: HttpRequest): boolean {
  let found = false
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === attributeContext.request) found = readRequest(reader, http) || found
    else if (tag === attributeContext.destination) readInto(reader, peer.address, http, readAddress)
    else if (tag === attributeContext.contextExtensions) readExtension(reader, http)
    else reader.skip(tag)
  }
  reader.leave(outer)
  return found
}

/** Reads the one field of a message that is wanted, and skips the others. */
function readInto(
  reader: Reader,
  field: number,
  http: HttpRequest,
  read: (reader: Reader, http: HttpRequest) => void,
): void {
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === field) read(reader, http)
    else reader.skip(tag)
  }
  reader.leave(outer)
}

function readExtension(reader: Reader, http: HttpRequest): void {
  let key = ''
  let value = ''
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === mapEntry.key) key = reader.text()
    else if (tag === mapEntry.value) value = reader.text()
    else reader.skip(tag)
  }
  reader.leave(outer)
  if (key === routeExtension) http.route = value
  else if (key === egressExtension) http.egress = value
}

const readPort = (reader: Reader, http: HttpRequest): void => {
  http.port = reader.varint()
}
const readSocketAddress = (reader: Reader, http: HttpRequest): void =>
  readInto(reader, socketAddress.port, http, readPort)
const readAddress = (reader: Reader, http: HttpRequest): void =>
  readInto(reader, address.socketAddress, http, readSocketAddress)

function readRequest(reader: Reader, http: HttpRequest): boolean {
  let found = false
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === request.http) {
      readHttpRequest(reader, http)
      found = true
    } else reader.skip(tag)
  }
  reader.leave(outer)
  return found
}

function readHttpRequest(reader: Reader, http: HttpRequest): void {
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    switch (tag) {
      case httpRequest.method:
        http.method = reader.text()
        break
      case httpRequest.headers:
        readMapEntry(reader, http.headers)
        break
      case httpRequest.path:
        http.path = reader.text()
        break
      case httpRequest.body:
        http.body = reader.view()
        break
      case httpRequest.rawBody:
        http.rawBody = reader.view()
        break
      case httpRequest.headerMap:
        readHeaderMap(reader, http.headers)
        break
      default:
        reader.skip(tag)
    }
  }
  reader.leave(outer)
}

const checkResponse = { status: 1, deniedResponse: 2, okResponse: 3 }
const rpcStatus = { code: 1 }
const okResponse = { headers: 2, headersToRemove: 5 }
const deniedResponse = { status: 1, headers: 2, body: 3 }
const httpStatus = { code: 1 }

/** Encodes a CheckResponse that lets the request go on with these headers overwritten, and others taken off. */
export function encodeAllowed(headers: [name: string, value: string][], remove: readonly string[] = []): Uint8Array {
  writer.start()
  for (const name of remove) writer.text(okResponse.headersToRemove, name)
  writeOverwrites(writer, okResponse.headers, headers, 'value')
  writer.nest(checkResponse.okResponse, 0)
  const end = writer.written
  writer.nest(checkResponse.status, end)
  return writer.finish()
}

const permissionDenied = 7

/** Encodes a CheckResponse with an answer of our own. Its HTTP status may be any, 200 too. */
export function encodeAnswer(answer: LocalAnswer): Uint8Array {
  writer.start()
  writer.text(deniedResponse.body, answer.body)
  writeOverwrites(writer, deniedResponse.headers, answer.headers, 'value')
  const httpStatusEnd = writer.written
  writer.varint(httpStatus.code, answer.status)
  writer.nest(deniedResponse.status, httpStatusEnd)
  writer.nest(checkResponse.deniedResponse, 0)
  const statusEnd = writer.written
  writer.varint(rpcStatus.code, permissionDenied)
  writer.nest(checkResponse.status, statusEnd)
  return writer.finish()
}
