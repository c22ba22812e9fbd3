import type { ProviderRuleOf } from '../../config/schema.ts'
import { parseEndpoint } from './endpoint.ts'
import { passHeaders, plainHeader, secretHeader } from './headers.ts'
import type { Provider, Secrets } from './provider.ts'
import { standardQuirks } from './quirks.ts'
import { type RouteTable, route } from './routes.ts'

/**
 * Anthropic's own API, or another that keeps to it under its own base URL (Claude in Microsoft Foundry).
 * Every chat API becomes messages; there are no embeddings. anthropic-version is the client's, else the rule's;
 * anthropic-beta goes through as it came.
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function anthropic(name: string, rule: ProviderRuleOf<'anthropic'>, secrets: Secrets): Provider {
  const { path, ...address } = parseEndpoint(name, rule.baseUrl)
  const messages = `${path.replace(/\/v1$/, '')}/v1/messages`
  const version = plainHeader(name, 'version', rule.version)
  const routes: RouteTable = {
    chat: route('chat', 'messages', messages),
    completions: route('completions', 'messages', messages),
    responses: route('responses', 'messages', messages),
    messages: route('messages', 'messages', messages),
    generate_content: route('generate_content', 'messages', messages),
    count_tokens: route('count_tokens', 'messages', `${messages}/count_tokens`),
  }
  return {
    name,
    type: 'anthropic',
    ...address,
    quirks: standardQuirks,
    route: (operation) => routes[operation],
    authorize(request, client) {
      request.headers['x-api-key'] = secretHeader(name, rule.apiKey, secrets, client)
      request.headers['anthropic-version'] = version
      passHeaders(['anthropic-version', 'anthropic-beta'], client, request.headers)
    },
  }
}
