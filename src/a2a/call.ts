import { isObject, type JsonObject, parseObject } from '../json.ts'
import { A2aError, invalidParams, type RpcId } from './errors.ts'
import { readSingleFrame } from './grpc/frames.ts'
import { type HttpRoute, readQuery, readRoute } from './http-routes.ts'
import {
  type A2aBinding,
  type A2aOperation,
  type A2aVersion,
  grpcService,
  operationNamed,
  type Wire,
} from './operations.ts'
import { checkedParams, modernParams } from './translate/request.ts'
import { decoded, messagesOf } from './translate/schemas.ts'
import { legacyStyle } from './translate/style.ts'

/** Understands requests to agents: every binding and version becomes the same call, which policies see. */

/** What is asked of an agent. */
export interface A2aCall extends Wire {
  readonly type: 'call'
  /** The agent's name in the rules. */
  readonly agent: string
  readonly operation: A2aOperation
  /** The task it is about. Absent: none yet, or none at all. */
  readonly taskId?: string
  /** Further tasks that a message refers to. */
  readonly referencedTaskIds: readonly string[]
  readonly contextId?: string
  /**
   * The skill that the client says it wants: `skillId` or `skill` in the metadata of the message or the request. The
   * protocol has no field for it, so most calls have none, and agents need not keep to it.
   */
  readonly skill?: string
  /** 1.0: the part of the agent that the client found in the card. */
  readonly tenant?: string
  /** Where notifications are to go, in calls that say so. */
  readonly pushUrl?: string
  /** The extensions that the client wants to use. */
  readonly extensions: readonly string[]
  /** Of the JSON-RPC request; null in other bindings. */
  readonly id: RpcId
  /**
   * What is asked, in 1.0's JSON as protobuf writes it, whatever the client wrote. What goes on to the agent must be
   * written from this (`translate/wire.ts`), not from the client's bytes: of these an agent may read more, or other things.
   */
  readonly params: JsonObject
}

/** A request that is not understood, and what is said to that. */
export interface A2aRefusal extends Wire {
  readonly type: 'refusal'
  readonly id: RpcId
  readonly error: A2aError
}

export interface A2aRequest {
  /** The agent's name in the rules. */
  readonly agent: string
  readonly method: string
  /** After the agent's base, with its query: `/tasks/1?historyLength=2`. gRPC: the whole path. */
  readonly path: string
  /** By lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/** The longest body that is read where nothing else is said, bytes. */
const defaultLimit = 16 * 1024 * 1024

/**
 * Understands a request. Messages may be nested 100 deep.
 * @param limit the longest body that is read, bytes
 * @returns the call, or the refusal, to be rendered for its wire
 */
export function classify(request: A2aRequest, limit = defaultLimit): A2aCall | A2aRefusal {
  const [path = '', query = ''] = splitOnce(request.path, '?')
  const binding = bindingOf(request.headers.get('content-type'), path)
  const refusal = (error: A2aError, version: A2aVersion, id: RpcId = null): A2aRefusal => ({
    type: 'refusal',
    binding,
    version,
    id,
    error,
  })
  let wire: Wire = { binding, version: '1.0' }
  let id: RpcId = null
  try {
    const asked = readVersion(request.headers.get('a2a-version') ?? new URLSearchParams(query).get('A2A-Version'))
    wire = { binding, version: versionOf(asked, binding, path) }
    if (request.body.length > limit)
      throw new A2aError('tooLarge', `The request has ${request.body.length} bytes; at most ${limit} are read`)
    let understood: Understood
    switch (binding) {
      case 'grpc':
        understood = readGrpc(request, path, wire)
        break
      case 'jsonrpc': {
        const message = readEnvelope(request)
        id = idOf(message)
        understood = readMethod(message, wire, asked)
        break
      }
      case 'http+json':
        understood = readHttp(request, path, query, wire, asked)
        break
    }
    const { operation } = understood
    const params = checkedParams(operation, understood.params)
    return {
      type: 'call',
      agent: request.agent,
      ...wire,
      operation,
      ...factsOf(operation, params),
      extensions: extensionsOf(request.headers),
      id,
      params,
    }
  } catch (error) {
    if (error instanceof A2aError) return refusal(error, wire.version, id)
    throw error
  }
}

/** gRPC says so in its content type; JSON-RPC has no path of its own. */
function bindingOf(contentType: string | undefined, path: string): A2aBinding {
  if (contentType?.startsWith('application/grpc') === true) return 'grpc'
  return path === '' || path === '/' ? 'jsonrpc' : 'http+json'
}

/** The version the client names. @returns undefined where it names none. @throws {A2aError} where it is another than ours */
function readVersion(text: string | null): A2aVersion | undefined {
  const value = text?.trim() ?? ''
  if (value === '') return undefined
  // Patch versions mean nothing (1.0, section 3.6).
  const [, version] = /^(\d{1,4}\.\d{1,4})(?:\.\d{1,4})?$/.exec(value) ?? []
  if (version === '0.3' || version === '1.0') return version
  throw new A2aError(
    'versionNotSupported',
    `A2A-Version ${JSON.stringify(value.slice(0, 20))} is not supported here; 0.3 and 1.0 are`,
    { metadata: { supportedVersions: '0.3,1.0' } },
  )
}

/** No version means 0.3 (1.0, section 3.6.2), but gRPC's services have one in their names. */
function versionOf(asked: A2aVersion | undefined, binding: A2aBinding, path: string): A2aVersion {
  if (binding !== 'grpc') return asked ?? '0.3'
  const service = path.slice(1, path.lastIndexOf('/'))
  const version = service === grpcService['1.0'] ? '1.0' : service === grpcService['0.3'] ? '0.3' : undefined
  if (version === undefined)
    throw new A2aError('methodNotFound', `There is no such gRPC service here; ${grpcService['1.0']} is for A2A 1.0`)
  if (asked !== undefined && asked !== version)
    throw new A2aError('versionNotSupported', `The gRPC service ${service} is not one of A2A ${asked}`)
  return version
}

interface Understood {
  readonly operation: A2aOperation
  /** In 1.0's JSON, not checked yet. */
  readonly params: JsonObject
}

function readGrpc({ method, headers, body }: A2aRequest, path: string, wire: Wire): Understood {
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

function readEnvelope({ method, headers, body }: A2aRequest): JsonObject {
  if (method !== 'POST')
    throw new A2aError('invalidRequest', 'JSON-RPC requests are sent with POST', { headers: [['allow', 'POST']] })
  requireJson(headers)
  return readBody(body)
}

/** The id of a JSON-RPC request, null where it has none that could be answered to. */
function idOf({ id }: JsonObject): RpcId {
  return typeof id === 'string' || typeof id === 'number' ? id : null
}

function readMethod(message: JsonObject, wire: Wire, asked: A2aVersion | undefined): Understood {
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

function readHttp(
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

type Facts = Pick<A2aCall, 'taskId' | 'referencedTaskIds' | 'contextId' | 'skill' | 'tenant' | 'pushUrl'>

/** What policies want to know of parameters that were checked. */
function factsOf(operation: A2aOperation, params: JsonObject): Facts {
  const message = isObject(params.message) ? params.message : {}
  const configuration = isObject(params.configuration) ? params.configuration : {}
  const push = isObject(configuration.taskPushNotificationConfig) ? configuration.taskPushNotificationConfig : {}
  const sends = operation === 'sendMessage' || operation === 'streamMessage'
  const about = operation === 'getTask' || operation === 'cancelTask' || operation === 'subscribeToTask'
  const facts = {
    taskId: sends ? message.taskId : about ? params.id : params.taskId,
    contextId: sends ? message.contextId : params.contextId,
    skill: skillOf(message.metadata, params.metadata),
    tenant: params.tenant,
    pushUrl: operation === 'setPushConfig' ? params.url : push.url,
  }
  const texts = Object.entries(facts).filter(([, value]) => typeof value === 'string')
  const references = Array.isArray(message.referenceTaskIds) ? message.referenceTaskIds : []
  return {
    ...(Object.fromEntries(texts) as Omit<Facts, 'referencedTaskIds'>),
    referencedTaskIds: references.filter((id): id is string => typeof id === 'string'),
  }
}

/** @throws {A2aError} where two are named: the agent may take the other */
function skillOf(...metadata: unknown[]): string | undefined {
  const named = new Set<string>()
  for (const values of metadata)
    if (isObject(values))
      for (const name of ['skillId', 'skill_id', 'skill']) {
        const value = values[name]
        if (typeof value === 'string' && value !== '') named.add(value)
      }
  if (named.size > 1) throw invalidParams('metadata', 'names more than one skill')
  return [...named][0]
}

/** 0.3 has its header with an X. */
function extensionsOf(headers: ReadonlyMap<string, string>): string[] {
  const text = headers.get('a2a-extensions') ?? headers.get('x-a2a-extensions') ?? ''
  const uris = text.split(',').map((uri) => uri.trim())
  return uris.filter((uri) => uri !== '')
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
