import type { Conversation, JsonObject } from './conversation.ts'
import { tokenCounters } from './count-tokens.ts'
import type { ClientDialect, RequestContext } from './dialect.ts'
import { type ClientDialectName, clientDialects, type ProviderDialectName, providerDialects } from './dialects/index.ts'
import { embeddingDialects, readEmbeddingRequest } from './embeddings/index.ts'
import { ApiError } from './errors.ts'
import { isObject } from './json.ts'
import type { EmbeddingApi, Operation, Provider, Route } from './providers/provider.ts'
import { prependMembers, replaceSpan, stringMember } from './splice.ts'

/** A client's request, parsed once, written out once an attempt. */
export interface ClientRequest {
  readonly operation: Operation
  /** The model the client asked for. */
  readonly model: string
  readonly stream: boolean
  /** As it came. */
  readonly bytes: Uint8Array
  readonly json: JsonObject
  /** The neutral form, read when first needed. @throws {ApiError} */
  conversation(): Conversation
  /** The client's headers a provider may want. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** What goes to one target. */
export interface Outgoing {
  readonly route: Route
  readonly body: Uint8Array
  /** Whether body is the client's, byte for byte. */
  readonly unchanged: boolean
  /** Whether usage was asked for on the client's behalf, and must be taken out of the stream again. */
  readonly hideUsage: boolean
  /** Fields that the target has no place for. */
  readonly drops: readonly string[]
}

/** The wire format of an operation's clients. */
export function clientFormat(operation: Operation): Route['dialect'] {
  switch (operation) {
    case 'embeddings':
      return 'openai-embeddings'
    case 'count_tokens':
      return 'messages'
    default:
      return operation
  }
}

/**
 * Writes a request for one target.
 * @param model the model's name at the provider
 * @throws {ApiError} 400 where the target cannot express what the client asks
 */
export function writeOutgoing(request: ClientRequest, provider: Provider, model: string): Outgoing {
  const route = provider.route(request.operation, model, request.stream)
  if (!route)
    throw new ApiError(400, 'invalid_request_error', `The provider of this model has no ${request.operation}.`, {
      code: 'unsupported_operation',
    })
  if (route.dialect === clientFormat(request.operation)) return sameFormat(request, provider, model, route)
  const drops: string[] = []
  const body = translated(request, provider, model, route, drops)
  return { route, body: encode(body), unchanged: false, hideUsage: false, drops }
}

/** The client's format is the target's: the bytes stay, but for the model's name and what the address wants. */
function sameFormat(request: ClientRequest, provider: Provider, model: string, route: Route): Outgoing {
  const { bytes } = request
  const cleaned = withoutForeign(request)
  const json = cleaned ?? request.json
  const hideUsage =
    request.stream &&
    (route.dialect === 'chat' || route.dialect === 'completions') &&
    provider.quirks.streamUsage &&
    !asksForUsage(json)
  if (provider.shape && route.shaped) {
    const body = provider.shape({ ...json, model }, route, request.headers)
    return { route, body: encode(body), unchanged: false, hideUsage: false, drops: [] }
  }
  const span = stringMember(bytes, 'model')
  // Where our reading of the body may not be the target's, it gets ours.
  if (!span || cleaned || (hideUsage && json.stream_options != null)) {
    const body: JsonObject = { ...json, model }
    if (hideUsage)
      body.stream_options = { ...(isObject(json.stream_options) ? json.stream_options : {}), include_usage: true }
    return { route, body: encode(body), unchanged: false, hideUsage, drops: [] }
  }
  let body = bytes
  if (model !== request.model) body = replaceSpan(body, span, JSON.stringify(model))
  if (hideUsage && !Object.hasOwn(json, 'stream_options'))
    body = prependMembers(body, '"stream_options":{"include_usage":true}')
  return { route, body, unchanged: body === bytes, hideUsage, drops: [] }
}

const foreignMark = Buffer.from('chaperone')

/** The request without what other providers made; undefined where there is nothing of the kind. */
function withoutForeign({ bytes, json, operation }: ClientRequest): JsonObject | undefined {
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(foreignMark)) return undefined
  const dialect: ClientDialect | undefined = clientDialects[operation as ClientDialectName]
  return dialect?.withoutForeign?.(json)
}

/** Whether the client asked for usage in the stream itself. */
export function asksForUsage(json: JsonObject): boolean {
  return isObject(json.stream_options) && json.stream_options.include_usage === true
}

function translated(
  request: ClientRequest,
  provider: Provider,
  model: string,
  route: Route,
  drops: string[],
): JsonObject {
  const context = requestContext(provider, model, drops)
  const body = writeBody(request, route.dialect, context)
  return provider.shape ? provider.shape(body, route, request.headers) : body
}

function writeBody(request: ClientRequest, dialect: Route['dialect'], context: RequestContext): JsonObject {
  switch (request.operation) {
    case 'embeddings':
      return embeddingDialects[dialect as EmbeddingApi].writeRequest(readEmbeddingRequest(request.json), context)
    case 'count_tokens': {
      const counter = tokenCounters[dialect as ProviderDialectName]
      if (!counter) throw new Error(`no way to count tokens in ${dialect}`)
      return counter.writeCountRequest(request.conversation(), context)
    }
    default:
      return providerDialects[dialect as ProviderDialectName].writeRequest(request.conversation(), context)
  }
}

function requestContext(provider: Provider, model: string, drops: string[]): RequestContext {
  return {
    model,
    quirks: provider.quirks,
    drop: (field) => drops.push(field),
    refuse(field, why) {
      throw new ApiError(400, 'invalid_request_error', `${field}: ${why}`, { code: 'unsupported_field', param: field })
    },
  }
}

function encode(body: JsonObject): Uint8Array {
  return Buffer.from(JSON.stringify(body))
}
