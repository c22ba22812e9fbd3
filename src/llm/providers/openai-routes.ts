import type { JsonObject } from '../conversation.ts'
import { pick } from './pick.ts'
import type { Route } from './provider.ts'
import { type RouteTable, route } from './routes.ts'

/**
 * The routes of a server with OpenAI's API.
 * @param path makes the whole path, query included, of an API's own: `/chat/completions`
 * @param translateTo the API that requests of other APIs (messages, generateContent) become
 * @param responses whether the server has /responses
 */
export function openaiRoutes(
  path: (api: string) => string,
  translateTo: 'chat' | 'responses',
  responses = true,
): RouteTable {
  const chat = route('chat', 'chat', path('/chat/completions'))
  const native = responses
    ? route('responses', 'responses', path('/responses'))
    : { ...chat, operation: 'responses' as const }
  const translated = translateTo === 'responses' ? native : chat
  return {
    chat,
    completions: route('completions', 'completions', path('/completions')),
    responses: native,
    messages: { ...translated, operation: 'messages' },
    generate_content: { ...translated, operation: 'generate_content' },
    embeddings: route('embeddings', 'openai-embeddings', path('/embeddings')),
    ...(responses && {
      count_tokens: { ...route('count_tokens', 'responses', path('/responses/input_tokens')), shaped: true },
    }),
  }
}

/** The fields of /responses that /responses/input_tokens has too; it refuses every other one. */
const counted = [
  'conversation',
  'input',
  'instructions',
  'model',
  'parallel_tool_calls',
  'previous_response_id',
  'reasoning',
  'text',
  'tool_choice',
  'tools',
  'truncation',
]

/** Leaves a body of /responses only what counting its tokens needs. */
export function shapeCount(body: JsonObject, route: Route): JsonObject {
  return route.operation === 'count_tokens' && route.dialect === 'responses' ? pick(body, counted) : body
}
