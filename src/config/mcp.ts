import { z } from 'zod'
import { baseUrl, duration, expression, name, sealKey, secret } from './primitives.ts'

/** MCP: which servers there are, how they are reached, and the endpoints that show them to clients. */

const namePatterns = z.array(
  z.string().regex(/^[^*\s]{1,200}\*?$|^\*$/, 'must be a name without blanks; a * may stand at its end'),
)
const tokenUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
const scopes = z.array(z.string().min(1).max(200)).max(50).default([]).describe('The scopes to ask for')
const oauthClient = {
  clientId: z.string().min(1).max(500).describe('The client id that the authorization server knows the gateway by'),
  clientSecret: secret.optional().describe('Its secret; none: a public client'),
}
const resource = z
  .url()
  .optional()
  .describe('The resource that tokens are asked for (RFC 8707); default: the server’s URL')

const credentialTypes = [
  z
    .strictObject({
      type: z.literal('headers').describe('Fixed headers'),
      headers: z
        .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, 'must be a header’s name'), secret)
        .describe('Headers by name, each with a reference to its value'),
    })
    .meta({ title: 'Headers' }),
  z
    .strictObject({ type: z.literal('bearer').describe('A fixed bearer token'), token: secret })
    .meta({ title: 'Bearer token' }),
  z
    .strictObject({
      type: z.literal('client-credentials').describe('The gateway’s own token (RFC 6749, section 4.4)'),
      tokenUrl: tokenUrl.describe('The authorization server’s token endpoint'),
      ...oauthClient,
      clientSecret: secret,
      scopes,
      resource,
    })
    .meta({ title: 'Client credentials' }),
  z
    .strictObject({
      type: z.literal('token-exchange').describe('A token for the caller, in exchange for the caller’s (RFC 8693)'),
      tokenUrl: tokenUrl.describe('The authorization server’s token endpoint'),
      ...oauthClient,
      scopes,
      resource,
      audience: z.string().min(1).max(500).optional().describe('The audience to ask for'),
    })
    .meta({ title: 'Token exchange' }),
  z
    .strictObject({
      type: z.literal('user').describe('A token that each user got for this server (OAuth 2.1, PKCE)'),
      issuer: baseUrl.optional().describe('The authorization server; default: what the server’s metadata names'),
      clientId: z
        .string()
        .min(1)
        .max(500)
        .optional()
        .describe('Where the gateway is registered already; default: its client id metadata document, or registration'),
      clientSecret: secret.optional().describe('Belongs to clientId'),
      scopes,
      resource,
      confirm: z
        .enum(['code', 'none'])
        .default('code')
        .describe(
          'How it is made sure that who authorizes is who asked, where the browser shows no identity: by a code that the page shows and the user gives to their client, or not at all',
        ),
    })
    .meta({ title: 'The user’s own' }),
  z
    .strictObject({
      type: z.literal('passthrough').describe('The caller’s own token, for a server of the same audience'),
      audience: z.string().min(1).max(500).describe('A token without this in `aud` is never passed on'),
    })
    .meta({ title: 'Pass-through' }),
] as const
const shown = 'What the gateway shows the server. Nothing of what the client sent gets there otherwise.'
const credential = z.discriminatedUnion('type', credentialTypes).describe(shown)
/** APIs that are no MCP servers may want keys elsewhere. */
const apiCredential = z
  .discriminatedUnion('type', [
    ...credentialTypes,
    z
      .strictObject({
        type: z.literal('query').describe('Fixed parameters of the query'),
        parameters: z
          .record(z.string().min(1).max(100), secret)
          .describe('Parameters by name, each with a reference to its value'),
      })
      .meta({ title: 'Query' }),
  ])
  .describe(shown)

const pins = z
  .enum(['off', 'report', 'quarantine'])
  .default('off')
  .describe(
    'What becomes of tools whose description or schema is not the approved one (`chaperone mcp approve`): nothing, a report, or they are neither listed nor callable',
  )

const serverBase = {
  prefix: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{0,32}$/, 'must be at most 32 letters, digits, dashes or underscores')
    .optional()
    .describe(
      'Stands before the names of its tools and prompts, with an underscore; default: the server’s name; "" for none',
    ),
  tools: z
    .strictObject({
      allow: namePatterns.default(['*']).describe('The tools that are shown, by the server’s own names'),
      deny: namePatterns.default([]).describe('Tools that are not, whatever `allow` says'),
      rename: z
        .record(z.string().min(1).max(200), z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/))
        .default({})
        .describe('Other names for tools, before the prefix'),
    })
    .prefault({})
    .describe('Which of its tools are shown, and how'),
  prompts: namePatterns.default(['*']).describe('The prompts that are shown'),
  resources: namePatterns.default(['*']).describe('The resources that are shown, by URI'),
  approval: expression
    .optional()
    .describe(
      'Which calls of tools a human must approve (CEL, a boolean): `tool.destructive`, or something on `tool.arguments`',
    ),
  approvalBy: z
    .enum(['form', 'url'])
    .default('form')
    .describe(
      'How it is asked for: by a form that the client shows its user, or on a page of the gateway, which needs `mcp.publicUrl`',
    ),
  approvers: expression
    .optional()
    .describe(
      'Who may approve on the page (CEL, a boolean): `identity.team == "ops"`; default: whoever has the link, which the client gets',
    ),
  pins,
  onFailure: z
    .enum(['omit', 'fail'])
    .default('omit')
    .describe(
      'While it does not answer: lists are without it and say so, or whoever asks for a list of many gets an error',
    ),
  listTimeout: duration.default('5s').describe('How long it may take to say what it has'),
  callTimeout: duration.default('300s').describe('How long a call may take; progress does not prolong it'),
  sessionIdle: duration.default('10m').describe('How long a session the gateway holds for a caller may be unused'),
}
const era = z
  .enum(['auto', 'legacy', 'modern'])
  .default('auto')
  .describe('The protocol it speaks: with sessions (up to 2025-11-25), without (2026-07-28), or what it answers to')

const upstreamTls = z
  .strictObject({
    caFile: z.string().min(1).optional().describe('PEM file of the authorities to trust instead of the system’s'),
    serverName: z.string().min(1).optional().describe('The name to ask for and to verify instead of the URL’s host'),
  })
  .describe('TLS towards the server. Verification cannot be switched off.')
const httpBase = {
  url: baseUrl.describe('Its endpoint: https://mcp.example.com/mcp'),
  tls: upstreamTls.optional(),
  replicas: z
    .array(
      z
        .string()
        .regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be an address with a port: 10.0.0.7:8080'),
    )
    .max(100)
    .default([])
    .describe(
      'Where its replicas are; default: every address that the URL’s host has. A session stays with the one that began it.',
    ),
  connectTimeout: duration.default('5s').describe('How long a connection, with its TLS handshake, may take to open'),
  credential: credential.optional(),
}

export const mcpServer = z
  .discriminatedUnion('type', [
    z
      .strictObject({ type: z.literal('http').describe('Streamable HTTP'), ...httpBase, era, ...serverBase })
      .meta({ title: 'Streamable HTTP' }),
    z
      .strictObject({ type: z.literal('sse').describe('HTTP with SSE (2024-11-05)'), ...httpBase, ...serverBase })
      .meta({ title: 'HTTP+SSE' }),
    z
      .strictObject({
        type: z.literal('stdio').describe('A process that the gateway starts'),
        command: z.string().min(1).describe('The program'),
        args: z.array(z.string()).max(100).default([]).describe('Its arguments'),
        env: z
          .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(4096))
          .default({})
          .describe('Its environment, beside PATH and HOME: values, or references ${env:NAME} and ${file:/path}'),
        cwd: z.string().min(1).optional().describe('Its working directory'),
        era,
        ...serverBase,
      })
      .meta({ title: 'Process' }),
    z
      .strictObject({
        type: z.literal('openapi').describe('A REST API, each of its operations a tool'),
        document: z.string().min(1).describe('The OpenAPI 3.x document: a file, JSON or YAML'),
        url: baseUrl.optional().describe('Where the API lives; default: the first of the document’s `servers`'),
        tls: upstreamTls.optional(),
        connectTimeout: duration.default('5s').describe('How long a connection may take to open'),
        credential: apiCredential.optional(),
        operations: z
          .record(
            z.string().min(1).max(300),
            z.strictObject({
              name: z
                .string()
                .regex(/^[a-zA-Z0-9_-]{1,64}$/)
                .optional()
                .describe('The tool’s name'),
              description: z.string().max(4096).optional().describe('The tool’s description'),
              readOnly: z.boolean().optional().describe('The readOnlyHint; default: true for GET and HEAD'),
              destructive: z.boolean().optional().describe('The destructiveHint; default: true for DELETE'),
              idempotent: z.boolean().optional().describe('The idempotentHint; default: by the method'),
              hide: z.boolean().default(false).describe('Whether it is no tool at all'),
            }),
          )
          .default({})
          .describe('More about single operations, by operationId or by `METHOD /path`'),
        ...serverBase,
      })
      .meta({ title: 'OpenAPI' }),
  ])
  .describe('An MCP server, or something that is made one')

export const mcpEndpoint = z
  .strictObject({
    servers: z.array(name).min(1).max(100).optional().describe('The servers it shows; default: all, in their order'),
    instructions: z
      .string()
      .max(10_000)
      .optional()
      .describe('Put before what the servers say of themselves; "" with no server’s own: see `serverInstructions`'),
    serverInstructions: z.boolean().default(true).describe('Whether the servers’ own instructions are passed on'),
    origins: z
      .array(z.string().regex(/^(?:\*|https?:\/\/[^/\s]+)$/, 'must be an origin such as https://app.example.com, or *'))
      .default([])
      .describe('Web origins that may ask from a browser, beside those of this machine on a loopback listener'),
    pageSize: z.int().min(1).max(10_000).default(1000).describe('How many entries a page of a list has'),
    cache: duration.default('0ms').describe('How long clients may keep lists, where the servers do not say (ttlMs)'),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'must be a scope: no blanks and quotes'))
      .max(50)
      .default([])
      .describe('Scopes that a JWT must have to be let in; clients are told which'),
  })
  .meta({ title: 'Endpoint' })
  .describe('A place where MCP clients connect')

export const mcp = z
  .strictObject({
    servers: z.record(name, mcpServer).default({}).describe('MCP servers, by names of your choosing'),
    endpoints: z
      .record(name, mcpEndpoint)
      .default({})
      .describe('`default` is /mcp, each other one /mcp/NAME. Without any, /mcp shows all servers.'),
    sessions: z
      .strictObject({
        keys: z
          .array(sealKey)
          .max(8)
          .default([])
          .describe('The first seals, all open. None: a key of this process, so that sessions end with it.'),
        lifetime: duration.default('24h').describe('How long a session lasts at most'),
      })
      .prefault({})
      .describe('What clients hold between requests is sealed: session ids, request states, cursors'),
    publicUrl: baseUrl
      .optional()
      .describe(
        'Where clients and browsers reach the gateway: https://gw.example.com; default: the authority of each request. Credentials of the type `user` need it.',
      ),
    keepAlive: duration.default('25s').describe('The longest silence on a stream before a comment is sent'),
  })
  .describe('MCP servers behind one endpoint')

export type McpRule = z.output<typeof mcp>
export type McpServerRule = z.output<typeof mcpServer>
export type McpServerRuleOf<T extends McpServerRule['type']> = Extract<McpServerRule, { type: T }>
export type McpEndpointRule = z.output<typeof mcpEndpoint>
export type McpCredentialRule = z.output<typeof apiCredential>
