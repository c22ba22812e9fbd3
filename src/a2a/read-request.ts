import { isObject, type JsonObject, parseObject } from '../json.ts'
import type { A2aRequest } from './call.ts'
import { A2aError, invalidParams, type RpcId } from './errors.ts'
import { readSingleFrame } from './grpc/frames.ts'
import { type HttpRoute, readQuery, readRoute } from './http-routes.ts'
import { type A2aOperation, type A2aVersion, operationNamed, type Wire } from './operations.ts'
import { modernParams } from './translate/request.ts'
import { decoded, messagesOf } from './translate/schemas.ts'
import { legacyStyle } from './translate/style.ts'

/** Requests of each binding: A2A 1.0, sections 9 to 11; A2A 0.3, section 3. */

/** What a request asks, whichever wire it came by. */
export interface Understood {
  readonly operation: A2aOperation
  /** In 1.0's JSON, not checked yet. */
  readonly params: JsonObject
}

/** A call of gRPC (1.0, section 10). @param path `/SERVICE/METHOD` @throws {A2aError} where it is none */
export function readGrpc({ method, headers, body }: A2aRequest, path: string, wire: Wire): Understood {
  const type = headers.get('content-type')
  if (type !== 'application/grpc' && type !== 'application/grpc+proto')
    throw new A2aError('invalidRequest', 'Of gRPC only application/grpc with protobuf messages is spoken')
  const name = path.slice(path.lastIndexOf('/') + 1)
  const operation = operationNamed(name, 'grpc', wire.version)
  if (method !== 'POST' || operation === undefined)
    throw new A2aError('methodNotFound', `The gRPC service of A2A ${wire.version} has no such method`)
  const json = decoded(messagesOf(operation, wire.version).request, readSingleFrame(body))
  return { operation, params: wire.version === '1.0' ? json : modernParams(operation, json, 'proto') }
}

/** The object of a JSON-RPC request, whatever is in it. @throws {A2aError} where there is none */
export function readEnvelope({ method, headers, body }: A2aRequest): JsonObject {
  if (method !== 'POST')
    throw new A2aError('invalidRequest', 'JSON-RPC requests are sent with POST', { headers: [['allow', 'POST']] })
  requireJson(headers)
  return readBody(body)
}

/** The id of a JSON-RPC request, null where it has none that could be answered to. */
export function idOf({ id }: JsonObject): RpcId {
  return typeof id === 'string' || typeof id === 'number' ? id : null
}

/**
 * A JSON-RPC request (1.0, section 9; JSON-RPC 2.0).
 * @param asked the version that the client named, where it did
 * @throws {A2aError} where it is none of this version
 */
export function readMethod(message: JsonObject, wire: Wire, asked: A2aVersion | undefined): Understood {
  const { jsonrpc, id, method, params = {} } = message
  const refuse = (text: string) => new A2aError('invalidRequest', text)
  if (jsonrpc !== '2.0') throw refuse('"jsonrpc" must be "2.0"')
  if (id === undefined) throw refuse('A2A has no notifications: the request must have an "id"')
  if (id !== null && idOf(message) === null) throw refuse('"id" must be a text or a number')
  if (typeof method !== 'string') throw refuse('"method" must be a text')
  if (!isObject(params)) throw refuse('"params" must be an object')
  const operation = operationNamed(method, 'jsonrpc', wire.version)
  if (operation === undefined)
    throw unknown(operationNamed(method, 'jsonrpc', otherVersion(wire.version)), 'method', wire, asked)
  return { operation, params: wire.version === '1.0' ? params : modernParams(operation, params, 'kind') }
}

/**
 * A request of HTTP+JSON (1.0, section 11).
 * @param path after the agent's base, without its query
 * @param asked the version that the client named, where it did
 * @throws {A2aError} where it is none of this version
 */
export function readHttp(
  request: A2aRequest,
  path: string,
  query: string,
  wire: Wire,
  asked: A2aVersion | undefined,
): Understood {
  const { method, headers, body } = request
  const route = readRoute(method, path, wire.version)
  if (route === undefined)
    throw unknown(readRoute(method, path, otherVersion(wire.version))?.operation, 'path', wire, asked)
  const { operation } = route
  let params = readQuery(query)
  // The SDKs of 0.3 send `null` where there is nothing to say.
  const empty = body.length === 0 || (body.length === 4 && Buffer.from(body).toString('latin1') === 'null')
  if (method === 'POST' && !empty) {
    requireJson(headers)
    params = { ...params, ...readBody(body) }
  }
  const modern = wire.version === '1.0' ? params : modernParams(operation, withNames(route, params), legacyStyle(wire))
  return { operation, params: withRoute(route, modern) }
}

/** What the path says, put where parameters of 0.3 have it. */
function withNames({ operation, taskId, configId }: HttpRoute, params: JsonObject): JsonObject {
  if (operation === 'getPushConfig' || operation === 'deletePushConfig')
    return { ...params, id: taskId, pushNotificationConfigId: configId }
  return operation === 'listPushConfigs' ? { ...params, id: taskId } : params
}

/**
 * What the path says, put where 1.0's parameters have it.
 * @throws {A2aError} where they say something else: gateway and agent would take it for two different tasks
 */
function withRoute({ operation, tenant, taskId, configId }: HttpRoute, params: JsonObject): JsonObject {
  const result: JsonObject = { ...params }
  const put = (name: string, other: string | undefined, value: string | undefined) => {
    if (value === undefined) return
    for (const spelled of other === undefined ? [name] : [name, other]) {
      const said = result[spelled]
      if (said !== undefined && said !== null && said !== value)
        throw invalidParams(spelled, 'says something else than the path')
      delete result[spelled]
    }
    result[name] = value
  }
  put('tenant', undefined, tenant)
  const aboutTask = operation === 'getTask' || operation === 'cancelTask' || operation === 'subscribeToTask'
  if (aboutTask) put('id', undefined, taskId)
  else put('taskId', 'task_id', taskId)
  put('id', undefined, configId)
  return result
}

const otherVersion = (version: A2aVersion): A2aVersion => (version === '1.0' ? '0.3' : '1.0')

/** The refusal of a method or path that this version does not have. @param elsewhere what it would be in the other version */
function unknown(
  elsewhere: A2aOperation | undefined,
  what: string,
  wire: Wire,
  asked: A2aVersion | undefined,
): A2aError {
  if (elsewhere === undefined) return new A2aError('methodNotFound', `A2A ${wire.version} has no such ${what}`)
  const other = otherVersion(wire.version)
  if (asked === undefined)
    return new A2aError(
      'versionNotSupported',
      `This ${what} is one of A2A ${other}, but a request without an A2A-Version header is one of A2A 0.3: send A2A-Version: ${other}`,
    )
  return new A2aError('methodNotFound', `A2A ${wire.version} has no such ${what}; it is one of A2A ${other}`)
}

/** Other types are those that a browser may send anywhere without asking. */
function requireJson(headers: ReadonlyMap<string, string>): void {
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json' && type !== 'application/a2a+json')
    throw new A2aError('contentTypeNotSupported', 'The content-type must be application/json or application/a2a+json')
}

function readBody(body: Uint8Array): JsonObject {
  const object = parseObject(body)
  if (object !== undefined) return object
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch {
    throw new A2aError('parseError', 'The body is not JSON')
  }
  if (Array.isArray(value))
    throw new A2aError('invalidRequest', 'Batches are not taken: send one JSON object a request')
  throw new A2aError(
    'invalidRequest',
    isObject(value) ? 'The body is nested too deeply' : 'The body must be a JSON object',
  )
}
