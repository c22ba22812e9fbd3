import type { Identity } from '../identity/identity.ts'
import { looksLikeKey } from '../identity/key-text.ts'
import { deepest, parseObject } from '../json.ts'
import type { AgentRequest } from '../protocol.ts'
import type { Conversation, JsonObject } from './conversation.ts'
import { countClients } from './count-tokens.ts'
import { type ClientDialectName, type ClientFormat, clientDialects } from './dialects/index.ts'
import type { Call } from './endpoints.ts'
import { ApiError } from './errors.ts'
import type { ClientHeaders, Operation } from './providers/provider.ts'

/** A client's request, parsed once, written out once an attempt. */
export interface ClientRequest {
  readonly operation: Operation
  /** The wire format of the client's API. */
  readonly format: ClientFormat
  /** The model the client asked for, or the one that the rules put in its place. */
  readonly model: string
  readonly stream: boolean
  /** As it came, or as the rules changed it. */
  readonly bytes: Uint8Array
  /** Whether the rules changed it: what Envoy holds is not what is meant then. */
  readonly edited: boolean
  readonly json: JsonObject
  /** The neutral form, read when first needed. @throws {ApiError} */
  conversation(): Conversation
  /** The client's headers a provider may want. */
  readonly headers: ClientHeaders
}

const jsonTypes = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i

/** @throws {ApiError} where the body is no JSON object of an acceptable type */
export function readBody(request: AgentRequest): JsonObject {
  const encoding = request.headers.get('content-encoding')
  if (encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity')
    throw new ApiError(
      415,
      'invalid_request_error',
      `A body compressed with ${encoding.slice(0, 40)} cannot be read here. Send it uncompressed.`,
      { code: 'unsupported_content_encoding' },
    )
  const type = request.headers.get('content-type')
  if (type !== undefined && !jsonTypes.test(type))
    throw new ApiError(
      415,
      'invalid_request_error',
      `The content type is ${type.slice(0, 100)}; send application/json.`,
      { code: 'unsupported_content_type' },
    )
  if (request.body.length === 0)
    throw new ApiError(400, 'invalid_request_error', 'The request has no body. Send a JSON object.', {
      code: 'empty_body',
    })
  const json = parseObject(request.body)
  if (!json)
    throw new ApiError(
      400,
      'invalid_request_error',
      `The body is not a JSON object. Check that it is complete, well-formed and nested no deeper than ${deepest} levels.`,
      { code: 'invalid_json' },
    )
  return json
}

/** @throws {ApiError} where neither the path nor the body names a model */
export function modelName(call: Call, json: JsonObject): string {
  const name = call.model ?? json.model
  if (typeof name === 'string' && name !== '') return name
  throw new ApiError(
    400,
    'invalid_request_error',
    call.model === undefined
      ? 'The request names no model. Set `model` to a name from GET /v1/models.'
      : 'The path names no model. Put a name from GET /v1beta/models into it.',
    { code: 'missing_model', param: 'model' },
  )
}

/** Whether the answer is to be streamed. */
export function wantsStream({ stream, operation }: Call, json: JsonObject): boolean {
  return stream ?? (json.stream === true && operation !== 'embeddings' && operation !== 'count_tokens')
}

/**
 * The key of a provider's that the caller shows, wherever its SDK puts it. What proves who it is to this gateway is none: our own
 * keys never, and a bearer token not where it was taken for a JWT.
 */
function providerKeyOf(headers: ReadonlyMap<string, string>, identity: Pick<Identity, 'kind'> | undefined) {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  const shown = [
    identity?.kind === 'jwt' ? undefined : bearer,
    headers.get('x-api-key'),
    headers.get('api-key'),
    headers.get('x-goog-api-key'),
  ]
  return shown.find((key) => key !== undefined && /^[\x21-\x7e]{1,4096}$/.test(key) && !looksLikeKey(key))
}

/** A request whose body is JSON. */
export class ParsedRequest implements ClientRequest {
  readonly operation: Operation
  readonly format: ClientFormat
  readonly model: string
  readonly stream: boolean
  readonly bytes: Uint8Array
  readonly edited: boolean
  readonly json: JsonObject
  readonly headers: ClientHeaders
  #conversation: Conversation | undefined

  /**
   * @param edited the body as the rules changed it, where they did
   * @param identity who the caller was found to be, so that what proved it is not taken for a provider's key
   */
  constructor(
    call: Call,
    model: string,
    request: AgentRequest,
    json: JsonObject,
    edited = json,
    identity?: Pick<Identity, 'kind'>,
  ) {
    this.operation = call.operation
    this.format = call.format
    this.model = model
    this.stream = wantsStream(call, json)
    this.json = edited
    this.edited = edited !== json
    this.bytes = edited === json ? request.body : Buffer.from(JSON.stringify(edited))
    const { headers } = request
    this.headers = {
      'anthropic-version': headers.get('anthropic-version'),
      'anthropic-beta': headers.get('anthropic-beta'),
      'openai-beta': headers.get('openai-beta'),
      credential: providerKeyOf(headers, identity),
    }
  }

  conversation(): Conversation {
    this.#conversation ??= { ...this.#read(), stream: this.stream }
    return this.#conversation
  }

  #read(): Conversation {
    const format = this.format as ClientDialectName
    return this.operation === 'count_tokens'
      ? countClients[format]!.readCountRequest(this.json)
      : clientDialects[format].readRequest(this.json)
  }
}
