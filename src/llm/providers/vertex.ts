import type { ProviderRuleOf } from '../../config/schema.ts'
import type { JsonObject } from '../conversation.ts'
import { hostLabel, parseEndpoint } from './endpoint.ts'
import { generateMethod } from './gemini.ts'
import { GoogleCredentials } from './google-credentials.ts'
import { passHeaders } from './headers.ts'
import { modelSegment } from './model-path.ts'
import { pick } from './pick.ts'
import type { Operation, Provider, Route, Secrets } from './provider.ts'
import { standardQuirks } from './quirks.ts'

/**
 * Google Vertex AI: Gemini models through generateContent, Claude models through rawPredict. Which one is said by the
 * model's id: `claude…` or `publishers/anthropic/models/…` (`anthropic/…`) is Claude, everything else Gemini.
 *
 * Claude's beta flags travel in the anthropic-beta header, as they do at Anthropic; `anthropic_beta` in the body is
 * not enough there (BerriAI/litellm#22321). Counting tokens refuses flags that answering accepts
 * (BerriAI/litellm#39597), so there they are left out.
 *
 * @param credentials for tests; otherwise the rule's file, else Application Default Credentials
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function vertex(
  name: string,
  rule: ProviderRuleOf<'vertex'>,
  _secrets: Secrets,
  credentials: Pick<GoogleCredentials, 'headers'> = new GoogleCredentials(name, rule.credentialsFile),
): Provider {
  const location = hostLabel(name, 'location', rule.location)
  const { path, ...address } = parseEndpoint(name, rule.baseUrl ?? `https://${vertexHost(location)}`)
  const project = modelSegment(rule.project)
  if (project === undefined) throw new RangeError(`providers.${name}.project: is not a project's id or number`)
  // A base URL may name the version itself.
  const version = /\/v\d\w*$/.test(path) ? path : `${path}/v1`
  const publishers = `${version}/projects/${project}/locations/${location}/publishers`
  return {
    name,
    type: 'vertex',
    ...address,
    quirks: standardQuirks,
    route(operation, model, stream) {
      const { publisher, id } = splitModel(model)
      const segment = modelSegment(id)?.replaceAll('%40', '@')
      if (segment === undefined) return undefined
      if (publisher === 'anthropic')
        return claudeRoute(`${publishers}/anthropic/models`, segment, id, operation, stream)
      if (publisher === 'google') return geminiRoute(`${publishers}/google/models/${segment}`, id, operation, stream)
      return undefined
    },
    shape,
    authorize(request, client) {
      if (isClaudeAnswer.test(request.path)) passHeaders(['anthropic-beta'], client, request.headers)
      const headers = credentials.headers()
      if (headers instanceof Promise) return headers.then((fetched) => void Object.assign(request.headers, fetched))
      Object.assign(request.headers, headers)
    },
  }
}

/** https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations */
function vertexHost(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com'
  if (location === 'us' || location === 'eu') return `aiplatform.${location}.rep.googleapis.com`
  return `${location}-aiplatform.googleapis.com`
}

/** `publishers/P/models/M`, `P/M` or a bare id. */
function splitModel(model: string): { publisher: string; id: string } {
  const match = /^publishers\/([^/]+)\/models\/(.*)$/s.exec(model) ?? /^([^/]+)\/(.*)$/s.exec(model)
  if (match) return { publisher: match[1]!, id: match[2]! }
  return { publisher: model.startsWith('claude') ? 'anthropic' : 'google', id: model }
}

/** A Claude model's own method; counting is done by a pseudo-model. */
const isClaudeAnswer = /\/publishers\/anthropic\/models\/(?!count-tokens:)[^/]+$/

function claudeRoute(
  models: string,
  segment: string,
  model: string,
  operation: Operation,
  stream: boolean,
): Route | undefined {
  if (operation === 'embeddings') return undefined
  const method =
    operation === 'count_tokens'
      ? 'count-tokens:rawPredict'
      : `${segment}:${stream ? 'streamRawPredict' : 'rawPredict'}`
  return { operation, dialect: 'messages', path: `${models}/${method}`, model, shaped: true }
}

function geminiRoute(at: string, model: string, operation: Operation, stream: boolean): Route {
  if (operation === 'count_tokens')
    return { operation, dialect: 'gemini', path: `${at}:countTokens`, model, shaped: true }
  if (operation === 'embeddings')
    return hasPredict(model)
      ? { operation, dialect: 'vertex-embeddings', path: `${at}:predict`, model }
      : { operation, dialect: 'vertex-embed-content', path: `${at}:embedContent`, model }
  return { operation, dialect: 'gemini', path: at + generateMethod(stream), model }
}

/** Later Gemini embedding models have embedContent (one text a request) instead of predict. */
function hasPredict(model: string): boolean {
  return model === 'gemini-embedding-001' || !(model.includes('gemini') || model.includes('maas'))
}

/** What countTokens takes on Vertex. */
const counted = ['contents', 'systemInstruction', 'tools', 'generationConfig']

/**
 * Claude's body names no model (the path does, except for counting) but the version of the API; countTokens of Gemini
 * refuses fields that generateContent has.
 */
function shape(body: JsonObject, { dialect, operation, model }: Route): JsonObject {
  if (dialect === 'messages') {
    const { model: _, ...rest } = body
    const claude: JsonObject = { ...rest, anthropic_version: 'vertex-2023-10-16' }
    return operation === 'count_tokens' ? { ...claude, model } : claude
  }
  return dialect === 'gemini' && operation === 'count_tokens' ? pick(body, counted) : body
}
