import { isObject } from '../json.ts'
import type { ClientRequest } from './client-request.ts'
import type { JsonObject } from './conversation.ts'
import { tokenCounters } from './count-tokens.ts'
import type { ClientDialect, RequestContext } from './dialect.ts'
import { countedRequest } from './dialects/gemini/count-client.ts'
import { foreignMark as geminiMark } from './dialects/gemini/proof.ts'
import { type ClientDialectName, clientDialects, type ProviderDialectName, providerDialects } from './dialects/index.ts'
import { embeddingDialects, readEmbeddingRequest } from './embeddings/index.ts'
import { ApiError } from './errors.ts'
import type { EmbeddingApi, Provider, Route } from './providers/provider.ts'
import { prependMembers, replaceSpan, stringMember } from './splice.ts'

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
  if (route.dialect === request.format) return sameFormat(request, provider, model, route)
  const drops: string[] = []
  const body = translated(request, provider, model, route, drops)
  return { route, body: encode(body), unchanged: false, hideUsage: false, drops }
}

/** The client's format is the target's: the bytes stay, but for the model's name and what the address wants. */
function sameFormat(request: ClientRequest, provider: Provider, model: string, route: Route): Outgoing {
  if (route.dialect === 'gemini') return sameGemini(request, provider, model, route)
  const { bytes } = request
  const cleaned = withoutForeign(request, request.json, model)
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
  // Where our reading of the body may not be the target's, it gets ours. Options of null are options too: a second
  // member of the name would not be read by everyone.
  if (!span || cleaned || (hideUsage && Object.hasOwn(json, 'stream_options'))) {
    const body: JsonObject = { ...json, model }
    if (hideUsage)
      body.stream_options = { ...(isObject(json.stream_options) ? json.stream_options : {}), include_usage: true }
    return { route, body: encode(body), unchanged: false, hideUsage, drops: [] }
  }
  let body = bytes
  if (model !== json.model) body = replaceSpan(body, span, JSON.stringify(model))
  if (hideUsage) body = prependMembers(body, '"stream_options":{"include_usage":true}')
  return { route, body, unchanged: body === bytes && !request.edited, hideUsage, drops: [] }
}

/** Gemini's path names the model, so its bodies go through as they are; counting is asked for in two forms. */
function sameGemini(request: ClientRequest, provider: Provider, model: string, route: Route): Outgoing {
  const shape = route.shaped ? provider.shape : undefined
  const inner = shape ? countedRequest(request.json) : request.json
  const cleaned = withoutForeign(request, inner, model)
  const json = cleaned ?? inner
  const unchanged = !cleaned && !shape
  const body = shape ? shape(json, route, request.headers) : json
  return {
    route,
    body: unchanged ? request.bytes : encode(body),
    unchanged: unchanged && !request.edited,
    hideUsage: false,
    drops: [],
  }
}

/** What the marks of src/llm/opaque.ts begin with, as text and in the base64 that Gemini's clients see. */
const foreignMarks = ['chaperone', geminiMark].map((mark) => Buffer.from(mark))

/**
 * A request's body, or the part of it that is a conversation, without what other providers made.
 * @returns undefined where there is nothing of the kind
 */
function withoutForeign({ bytes, format }: ClientRequest, json: JsonObject, model: string): JsonObject | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!foreignMarks.some((mark) => text.includes(mark))) return undefined
  const dialect: ClientDialect | undefined = clientDialects[format as ClientDialectName]
  return dialect?.withoutForeign?.(json, model)
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
