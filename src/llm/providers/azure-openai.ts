import type { ProviderRuleOf } from '../../config/schema.ts'
import type { Quirks } from '../dialect.ts'
import { parseEndpoint } from './endpoint.ts'
import { secretHeader } from './headers.ts'
import { modelSegment } from './model-path.ts'
import { openaiRoutes, shapeCount } from './openai-routes.ts'
import { CredentialError, type Provider, type Secrets } from './provider.ts'
import { standardQuirks } from './quirks.ts'
import type { RouteTable } from './routes.ts'

/**
 * Azure OpenAI, through the versionless API (`v1`, or its `preview`: the deployment's name goes in the body's `model`)
 * or through a dated one (the deployment's name goes in the path).
 * https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function azureOpenai(name: string, rule: ProviderRuleOf<'azure-openai'>, secrets: Secrets): Provider {
  const { path, ...address } = parseEndpoint(name, rule.baseUrl)
  // The portal shows the address with and without this end.
  const root = `${path.replace(/\/openai(?:\/v1)?$/, '')}/openai`
  const version = readVersion(name, rule.apiVersion)
  return {
    name,
    type: 'azure-openai',
    ...address,
    quirks: version.dated ? datedQuirks(version.date) : standardQuirks,
    route: version.dated
      ? datedRoutes(root, version.date, rule)
      : versionlessRoutes(`${root}/v1`, version.query, rule.translateTo),
    shape: shapeCount,
    authorize({ headers }, client) {
      if (rule.apiKey !== undefined) headers['api-key'] = secretHeader(name, rule.apiKey, secrets, client)
      else if (rule.bearerToken !== undefined)
        headers.authorization = `Bearer ${secretHeader(name, rule.bearerToken, secrets)}`
      else throw new CredentialError(`provider ${name}: has neither apiKey nor bearerToken`)
    },
  }
}

type Version = { dated: false; query: string } | { dated: true; date: string }

function readVersion(name: string, version: string): Version {
  if (version === 'v1') return { dated: false, query: '' }
  if (version === 'preview') return { dated: false, query: `?api-version=${version}` }
  if (/^\d{4}-\d{2}-\d{2}(?:-preview)?$/.test(version)) return { dated: true, date: version }
  throw new RangeError(
    `providers.${name}.apiVersion: must be v1, preview or a date such as 2024-10-21 or 2025-04-01-preview`,
  )
}

function versionlessRoutes(root: string, query: string, translateTo: 'chat' | 'responses'): Provider['route'] {
  const routes = openaiRoutes((api) => root + api + query, translateTo)
  return (operation) => routes[operation]
}

/** The first dated version with /openai/responses, where the deployment's name goes in the body after all. */
const firstWithResponses = '2025-03-01'

function datedRoutes(root: string, date: string, rule: ProviderRuleOf<'azure-openai'>): Provider['route'] {
  const query = `?api-version=${date}`
  const hasResponses = date >= firstWithResponses
  const inBody: RouteTable = hasResponses ? openaiRoutes((api) => root + api + query, rule.translateTo) : {}
  const inPath = openaiRoutes((api) => api + query, rule.translateTo, hasResponses)
  return (operation, deployment) => {
    // Only v1 counts tokens.
    if (operation === 'count_tokens') return undefined
    const route = inPath[operation]
    if (route === undefined) return undefined
    if (route.dialect === 'responses') return inBody[operation]
    const segment = modelSegment(deployment)
    if (segment === undefined) return undefined
    return { ...route, model: deployment, path: `${root}/deployments/${segment}${route.path}` }
  }
}

/** What each dated version brought: https://learn.microsoft.com/azure/ai-services/openai/api-version-deprecation */
function datedQuirks(date: string): Quirks {
  return {
    jsonSchema: date >= '2024-08-01',
    maxTokensField: date >= '2024-09-01' ? 'max_completion_tokens' : 'max_tokens',
    streamUsage: date >= '2024-09-01',
    developerRole: date >= '2024-12-01',
  }
}
