import type { ProviderRuleOf } from '../../config/schema.ts'
import { parseEndpoint } from './endpoint.ts'
import { passHeaders, plainHeader, secretHeader } from './headers.ts'
import { openaiRoutes, shapeCount } from './openai-routes.ts'
import type { Provider, Secrets } from './provider.ts'
import { standardQuirks } from './quirks.ts'

/**
 * OpenAI's own API.
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function openai(name: string, rule: ProviderRuleOf<'openai'>, secrets: Secrets): Provider {
  const { path, ...address } = parseEndpoint(name, rule.baseUrl)
  const routes = openaiRoutes((api) => path + api, rule.translateTo)
  const scope: Record<string, string> = {}
  if (rule.organization !== undefined)
    scope['openai-organization'] = plainHeader(name, 'organization', rule.organization)
  if (rule.project !== undefined) scope['openai-project'] = plainHeader(name, 'project', rule.project)
  return {
    name,
    type: 'openai',
    ...address,
    quirks: standardQuirks,
    route: (operation) => routes[operation],
    shape: shapeCount,
    authorize(request, client) {
      request.headers.authorization = `Bearer ${secretHeader(name, rule.apiKey, secrets, client)}`
      Object.assign(request.headers, scope)
      passHeaders(['openai-beta'], client, request.headers)
    },
  }
}
