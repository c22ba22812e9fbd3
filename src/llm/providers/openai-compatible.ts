import type { ProviderRuleOf } from '../../config/schema.ts'
import { parseEndpoint } from './endpoint.ts'
import { passHeaders, secretHeader } from './headers.ts'
import type { Operation, Provider, Route, Secrets } from './provider.ts'
import { type RouteTable, route } from './routes.ts'

type Api = ProviderRuleOf<'openai-compatible'>['apis'][number]

/** Where each API is under the base URL, and its dialect. */
const apis: Record<Api, { path: string; dialect: Route['dialect'] }> = {
  chat: { path: '/chat/completions', dialect: 'chat' },
  completions: { path: '/completions', dialect: 'completions' },
  embeddings: { path: '/embeddings', dialect: 'openai-embeddings' },
  responses: { path: '/responses', dialect: 'responses' },
  messages: { path: '/messages', dialect: 'messages' },
}

/** Chat APIs in the order they are translated to, where the server lacks the client's own. */
const targets = ['chat', 'responses', 'messages'] as const

/** The anthropic-version of servers that have `messages`, where the client sent none. */
const messagesVersion = '2023-06-01'

/**
 * A server with OpenAI's API, or with some of it: what `apis` lists goes through natively, other chat APIs are
 * translated to chat (else to responses, else to messages).
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function openaiCompatible(name: string, rule: ProviderRuleOf<'openai-compatible'>, secrets: Secrets): Provider {
  const { path, ...address } = parseEndpoint(name, rule.baseUrl)
  const routes = routesOf(path, new Set(rule.apis))
  const hasMessages = rule.apis.includes('messages')
  return {
    name,
    type: 'openai-compatible',
    ...address,
    quirks: rule.quirks,
    route: (operation) => routes[operation],
    authorize({ headers }, client) {
      if (rule.apiKey !== undefined)
        headers.authorization = `Bearer ${secretHeader(name, rule.apiKey, secrets, client)}`
      if (hasMessages) {
        headers['anthropic-version'] = messagesVersion
        passHeaders(['anthropic-version', 'anthropic-beta'], client, headers)
      }
    },
  }
}

function routesOf(base: string, has: ReadonlySet<Api>): RouteTable {
  const at = (operation: Operation, api: Api): Route => route(operation, apis[api].dialect, base + apis[api].path)
  const table: Partial<Record<Operation, Route>> = {}
  const fallback = targets.find((api) => has.has(api))
  for (const operation of ['chat', 'completions', 'messages', 'responses'] as const) {
    const api = has.has(operation) ? operation : fallback
    if (api) table[operation] = at(operation, api)
  }
  if (fallback) table.generate_content = at('generate_content', fallback)
  if (has.has('embeddings')) table.embeddings = at('embeddings', 'embeddings')
  if (has.has('messages')) table.count_tokens = route('count_tokens', 'messages', `${base}/messages/count_tokens`)
  return table
}
