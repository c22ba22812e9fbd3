import type { Conversation, JsonObject } from './conversation.ts'
import type { RequestContext } from './dialect.ts'
import { type ProviderDialectName, providerDialects } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { isObject } from './json.ts'
import type { Operation, Provider, Route } from './providers/provider.ts'
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
  const { json, bytes } = request
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
  if (!span || (hideUsage && json.stream_options != null)) {
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
  const dialect = providerDialects[route.dialect as ProviderDialectName]
  const body = dialect.writeRequest(request.conversation(), requestContext(provider, model, drops))
  return provider.shape ? provider.shape(body, route, request.headers) : body
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
