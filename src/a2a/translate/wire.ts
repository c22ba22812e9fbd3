import { isObject, type JsonObject } from '../../json.ts'
import { A2aError, type RpcId } from '../errors.ts'
import { writeFrame } from '../grpc/frames.ts'
import { writeRoute } from '../http-routes.ts'
import { type A2aOperation, grpcService, isStreaming, methodName, type Wire } from '../operations.ts'
import { legacyParams } from './request.ts'
import { blamingAgent, legacyResult, modernResult } from './result.ts'
import { decoded, encoded, messagesOf, normalized, notInLegacy } from './schemas.ts'
import { legacyStyle } from './style.ts'

/**
 * Calls, results and events on any binding of any version. Everything goes through one neutral form, 1.0's JSON as
 * protobuf writes it, so that a client of one wire reaches an agent of every other.
 */

/** A request to an agent. */
export interface WireRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** After the agent's base, with its query; of gRPC the whole path. */
  readonly path: string
  readonly headers: [name: string, value: string][]
  /** Empty where there is none. */
  readonly body: Uint8Array
}

const nothing = new Uint8Array(0)
const utf8 = (value: unknown) => Buffer.from(JSON.stringify(value), 'utf8')

/**
 * A call as an agent is asked.
 * @param call its params in the neutral form
 * @param wire the agent's
 * @param id of the JSON-RPC request; null: 1
 * @param extensions the extensions to ask for
 * @throws {A2aError} where the agent's version cannot say it: what the client is told
 */
export function writeRequest(
  call: { operation: A2aOperation; params: JsonObject; id?: RpcId; extensions?: readonly string[] },
  wire: Wire,
): WireRequest {
  const { operation, params } = call
  const style = legacyStyle(wire)
  if (wire.version === '1.0' && operation === 'getPushConfig' && params.id === undefined)
    throw new A2aError(
      'unsupportedOperation',
      'This agent speaks A2A 1.0, where a push config is asked for by its id: name it, or list them',
    )
  const own = wire.version === '1.0' ? params : legacyParams(operation, params, style)
  const headers: [string, string][] = []
  if (wire.version === '1.0') headers.push(['a2a-version', '1.0'])
  if (call.extensions !== undefined && call.extensions.length > 0)
    headers.push([wire.version === '1.0' ? 'a2a-extensions' : 'x-a2a-extensions', call.extensions.join(',')])
  switch (wire.binding) {
    case 'grpc': {
      headers.push(['content-type', 'application/grpc'], ['te', 'trailers'], ['grpc-accept-encoding', 'identity'])
      const message = encoded(messagesOf(operation, wire.version).request, own)
      const path = `/${grpcService[wire.version]}/${named(operation, wire)}`
      return { method: 'POST', path, headers, body: writeFrame(message) }
    }
    case 'jsonrpc': {
      headers.push(['content-type', 'application/json'], acceptOf(operation, 'application/json'))
      const message = { jsonrpc: '2.0', id: call.id ?? 1, method: named(operation, wire), params: own }
      return { method: 'POST', path: '', headers, body: utf8(message) }
    }
    case 'http+json': {
      const type = wire.version === '1.0' ? 'application/a2a+json' : 'application/json'
      headers.push(acceptOf(operation, type))
      const { tenant, route, rest } = placed(operation, params)
      // What the path says in 0.3 is not in the body as well.
      const body =
        wire.version === '1.0' ? rest : operation === 'setPushConfig' ? own.config : sends(operation) ? own : {}
      const target = writeRoute({ operation, ...tenant, ...route }, wire.version, rest)
      if (target.method !== 'POST') return { ...target, headers, body: nothing }
      headers.push(['content-type', type])
      return { ...target, headers, body: utf8(body) }
    }
  }
}

const sends = (operation: A2aOperation) => operation === 'sendMessage' || operation === 'streamMessage'
const acceptOf = (operation: A2aOperation, type: string): [string, string] => [
  'accept',
  isStreaming(operation) ? 'text/event-stream' : type,
]

function named(operation: A2aOperation, wire: Wire): string {
  const name = wire.binding === 'http+json' ? undefined : methodName(operation, wire.binding, wire.version)
  if (name === undefined) throw notInLegacy(operation)
  return name
}

/** Parameters of 1.0, taken apart into those that are in the path and the others. */
function placed(operation: A2aOperation, params: JsonObject) {
  const { tenant, ...others } = params
  const route: { taskId?: string; configId?: string } = {}
  const rest: JsonObject = { ...others }
  if (operation === 'getTask' || operation === 'cancelTask' || operation === 'subscribeToTask') {
    route.taskId = String(rest.id ?? '')
    delete rest.id
  } else if (!sends(operation) && operation !== 'listTasks' && operation !== 'getExtendedCard') {
    route.taskId = String(rest.taskId ?? '')
    delete rest.taskId
    if (operation === 'getPushConfig' || operation === 'deletePushConfig') {
      route.configId = String(rest.id ?? '')
      delete rest.id
    }
  }
  return { tenant: typeof tenant === 'string' ? { tenant } : {}, route, rest }
}

/**
 * What an agent answered, or an event of its stream, in the neutral form.
 * @param value JSON-RPC: the result. HTTP+JSON: the body, or the event's data. gRPC: see `readMessage`
 * @throws {A2aError} `invalidAgentResponse`
 */
export function readResult(operation: A2aOperation, value: unknown, wire: Wire): JsonObject {
  if (operation === 'deletePushConfig') return {}
  const json = wire.version === '0.3' ? modernResult(operation, value) : value
  if (!isObject(json)) throw new A2aError('invalidAgentResponse', 'The agent’s answer is not a JSON object')
  return complete(
    operation,
    blamingAgent(() => normalized(messagesOf(operation, '1.0').result, json)),
  )
}

/** A message of gRPC, without its prefix, in the neutral form. @throws {A2aError} `invalidAgentResponse` */
export function readMessage(operation: A2aOperation, message: Uint8Array, wire: Wire): JsonObject {
  const json = blamingAgent(() => decoded(messagesOf(operation, wire.version).result, message))
  return wire.version === '0.3' ? readResult(operation, json, wire) : complete(operation, json)
}

/** The result, if it says which task it is about, so that nobody takes an empty one for an answer. */
function complete(operation: A2aOperation, result: JsonObject): JsonObject {
  const refuse = (what: string) => new A2aError('invalidAgentResponse', `The agent’s answer has no ${what}`)
  if (operation === 'getTask' || operation === 'cancelTask') {
    if (result.id === undefined) throw refuse('id of a task')
  } else if (operation === 'sendMessage' || isStreaming(operation)) {
    const { task, message, statusUpdate, artifactUpdate } = result
    const about = isObject(task)
      ? task.id
      : isObject(message)
        ? message.messageId
        : taskIdOf(statusUpdate ?? artifactUpdate)
    if (about === undefined) throw refuse('task, message or update with an id')
  }
  return result
}

const taskIdOf = (update: unknown) => (isObject(update) ? update.taskId : undefined)

/**
 * A result, or an event, in the form of a wire's JSON: the result of JSON-RPC, the body or data of HTTP+JSON.
 * @param value in the neutral form
 * @throws {A2aError} where the version cannot say it
 */
export function writeResult(operation: A2aOperation, value: JsonObject, wire: Wire): unknown {
  if (wire.version === '0.3') return legacyResult(operation, value, legacyStyle(wire))
  if (operation !== 'listTasks') return value
  // These are required, and protobuf's JSON leaves out what is empty.
  return { tasks: [], nextPageToken: '', pageSize: 0, totalSize: 0, ...value }
}

/** A result, or an event, as a message of gRPC with its prefix. @throws {A2aError} where the version cannot say it */
export function writeMessage(operation: A2aOperation, value: JsonObject, wire: Wire): Uint8Array {
  const own = writeResult(operation, value, wire)
  return writeFrame(blamingAgent(() => encoded(messagesOf(operation, wire.version).result, isObject(own) ? own : {})))
}
