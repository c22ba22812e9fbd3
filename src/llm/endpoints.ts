import type { ClientDialectName, ClientFormat } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { decode, type GeminiPath, geminiPath } from './gemini-path.ts'
import type { Operation } from './providers/provider.ts'

/** What a path asks for. */
export interface Call {
  operation: Operation
  /** The wire format of the API that the path belongs to. */
  format: ClientFormat
  /** The model, where the path names it; otherwise the body does. */
  model?: string
  /** Whether to stream, where the path tells; otherwise the body does. */
  stream?: boolean
}

/** The client APIs by path; all take POST. Gemini's are in gemini-path.ts. */
const calls = new Map<string, Call>([
  ['/v1/chat/completions', { operation: 'chat', format: 'chat' }],
  ['/v1/completions', { operation: 'completions', format: 'completions' }],
  ['/v1/embeddings', { operation: 'embeddings', format: 'openai-embeddings' }],
  ['/v1/responses', { operation: 'responses', format: 'responses' }],
  ['/v1/messages', { operation: 'messages', format: 'messages' }],
  ['/v1/messages/count_tokens', { operation: 'count_tokens', format: 'messages' }],
])

export type Endpoint =
  | ({ type: 'call' } & Call)
  /** The list of models, or one of them, in the form of the API that speaks so. */
  | { type: 'models'; name: string | undefined; format: ClientDialectName }
  | { type: 'refused'; format: ClientFormat; error: ApiError; allowed?: string }

/**
 * @param path with query
 * @param anthropic whether the client speaks Anthropic's API (it sends anthropic-version), whose list of models stands
 *   at OpenAI's path
 */
export function endpointOf(method: string, path: string, anthropic: boolean): Endpoint {
  const mark = path.indexOf('?')
  const bare = mark === -1 ? path : path.slice(0, mark)
  const call = calls.get(bare)
  if (call) return method === 'POST' ? { type: 'call', ...call } : notAllowed(method, 'POST', call.format)
  const azure = azurePath.exec(bare)
  if (azure) return azureEndpoint(azure[1]!, azure[2]!, method)
  const gemini = geminiPath(bare, method)
  if (gemini) return geminiEndpoint(gemini, method, mark === -1 ? '' : path.slice(mark))
  const format = anthropic ? 'messages' : 'chat'
  if (bare === '/v1/models' || bare.startsWith('/v1/models/')) {
    if (method !== 'GET') return notAllowed(method, 'GET', format)
    const rest = bare.slice('/v1/models/'.length)
    return { type: 'models', name: rest === '' ? undefined : decode(rest), format }
  }
  return {
    type: 'refused',
    format: 'chat',
    error: unknown(
      'There is no such endpoint. This gateway serves /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, /v1/messages, /v1/messages/count_tokens, /v1/models and, of the Gemini API, /v1beta/models.',
    ),
  }
}

/** Azure OpenAI's deployments API, whose clients name the deployment in the path. */
const azurePath = /^\/openai\/deployments\/([^/]{1,200})\/(chat\/completions|completions|embeddings)$/

function azureEndpoint(deployment: string, api: string, method: string): Endpoint {
  const { operation, format } = calls.get(`/v1/${api}`)!
  return method === 'POST'
    ? { type: 'call', operation, format, model: decode(deployment) }
    : notAllowed(method, 'POST', format)
}

function geminiEndpoint({ method, model }: GeminiPath, verb: string, query: string): Endpoint {
  const format = 'gemini'
  if (method === undefined)
    return verb === 'GET' ? { type: 'models', name: model, format } : notAllowed(verb, 'GET', format)
  const operation = Object.hasOwn(geminiMethods, method) ? geminiMethods[method] : undefined
  if (operation === undefined) return { type: 'refused', format, error: unknown(noSuchMethod) }
  if (verb !== 'POST') return notAllowed(verb, 'POST', format)
  const stream = method === 'streamGenerateContent'
  if (stream && new URLSearchParams(query).get('alt') !== 'sse')
    return { type: 'refused', format, error: new ApiError(400, 'invalid_request_error', noArrayStream, arrayStream) }
  return { type: 'call', operation, format, model, stream }
}

const geminiMethods: Readonly<Record<string, Operation>> = {
  generateContent: 'generate_content',
  streamGenerateContent: 'generate_content',
  countTokens: 'count_tokens',
}

const noSuchMethod =
  'There is no such endpoint. Of the Gemini API this gateway serves /v1beta/models and generateContent, streamGenerateContent and countTokens of models.'

/** Without alt=sse Google streams one long JSON array. */
const noArrayStream = 'This gateway streams server-sent events, not a JSON array. Add ?alt=sse to the address.'
const arrayStream = { code: 'unsupported_field', param: 'alt' }

function notAllowed(method: string, allowed: string, format: ClientFormat): Endpoint {
  const error = new ApiError(405, 'invalid_request_error', `${method} is not possible here; use ${allowed}.`, {
    code: 'method_not_allowed',
  })
  return { type: 'refused', format, error, allowed }
}

function unknown(message: string): ApiError {
  return new ApiError(404, 'not_found_error', message, { code: 'unknown_endpoint' })
}
