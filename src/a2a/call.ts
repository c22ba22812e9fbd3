import { isObject, type JsonObject } from '../json.ts'
import { A2aError, invalidParams, type RpcId } from './errors.ts'
import { type A2aBinding, type A2aOperation, type A2aVersion, grpcService, type Wire } from './operations.ts'
import { idOf, readEnvelope, readGrpc, readHttp, readMethod, type Understood } from './read-request.ts'
import { checkedParams } from './translate/request.ts'

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
