import { z } from 'zod'
import { name, port } from '../primitives.ts'
import { host, one } from './match.ts'
import { headerName, path, regex } from './text.ts'

/** What becomes of a request that a route takes, and what is changed of it. */

export const weighted = z
  .strictObject({
    service: name.describe('The name of one of `http.services`'),
    weight: z.int().min(0).max(1_000_000).default(1).describe('Its share of the requests'),
  })
  .describe('A service and its share')

const replace = z
  .strictObject({
    regex: regex.describe('What is replaced (RE2)'),
    with: z.string().max(1024).describe('What stands there then; \\1 is the first group'),
  })
  .describe('Replaces what a regular expression finds in the path')

const pathChange = {
  path: path.optional().describe('Another path'),
  prefix: path.optional().describe('Stands in the place of the match’s prefix (or its whole path)'),
  replace: replace.optional(),
}

export const redirect = z
  .strictObject({
    scheme: z.enum(['http', 'https']).optional().describe('Another scheme'),
    host: host.optional().describe('Another host'),
    port: port.optional().describe('Another port'),
    ...pathChange,
    dropQuery: z.boolean().default(false).describe('Whether the query is left out'),
    status: z
      .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
      .default(302)
      .describe('The status'),
  })
  .refine(({ path, prefix, replace }) => one(path, prefix, replace) <= 1, {
    error: 'takes only one of path, prefix and replace',
  })
  .describe('Sends the client elsewhere')

export const respond = z
  .strictObject({
    status: z.int().min(200).max(599).default(200).describe('The status'),
    body: z.string().max(65_536).optional().describe('The body'),
    contentType: z.string().max(200).optional().describe('Its media type; default: text/plain'),
  })
  .describe('Answers by itself')

/** AI traffic at a place of the operator's choosing. What stands below the match's prefix is the path of the API. */
export const ai = z
  .strictObject({
    models: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(1000)
      .optional()
      .describe('The models that there are here, by their names in `models`; the APIs are below the match’s prefix'),
    mcp: name.optional().describe('The name of one of `mcp.endpoints`'),
    agent: name.optional().describe('The name of one of `a2a.agents`'),
  })
  .refine(({ models, mcp, agent }) => one(models, mcp, agent) === 1, 'needs exactly one of models, mcp and agent')
  .describe('Takes AI traffic: the APIs of models, an MCP endpoint, or an agent')

export const rewrite = z
  .strictObject({
    ...pathChange,
    template: path.optional().describe('Another path, with the names of the match’s template: /v2/{id}'),
    host: z.string().min(1).max(253).optional().describe('Another Host'),
    hostFrom: z
      .union([z.literal('service'), z.strictObject({ header: headerName })])
      .optional()
      .describe('Takes the Host from the server’s own name, or from a header'),
  })
  .refine(({ path, prefix, replace, template }) => one(path, prefix, replace, template) <= 1, {
    error: 'takes only one of path, prefix, replace and template',
  })
  .refine(({ host, hostFrom }) => one(host, hostFrom) <= 1, { error: 'takes only one of host and hostFrom' })
  .describe('What is changed before the request goes to the service')

const headerValue = z
  .string()
  .max(4096)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would begin another header
  .refine((value) => !/[\x00-\x08\x0a-\x1f\x7f]/.test(value), 'must not hold control characters')
  .describe('A value; %…% are Envoy’s command operators, such as %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%')

/** Changes of headers, of requests or of responses. */
export const headerChanges = z.strictObject({
  set: z.record(headerName, headerValue).default({}).describe('Headers that are set, whatever was there'),
  add: z.record(headerName, headerValue).default({}).describe('Headers that are added to what is there'),
  remove: z.array(headerName).max(100).default([]).describe('Headers that are taken off'),
})

export const mirror = z
  .strictObject({
    service: name.describe('The name of one of `http.services`'),
    percent: z.number().min(0).max(100).default(100).describe('Share of the requests'),
  })
  .describe('Gets a copy of requests; what it answers is thrown away')

export type RedirectRule = z.output<typeof redirect>
export type AiRouteRule = z.output<typeof ai>
export type RewriteRule = z.output<typeof rewrite>
export type HeaderChangesRule = z.output<typeof headerChanges>
export type PathChangeRule = Pick<RewriteRule, 'path' | 'prefix' | 'replace'>
