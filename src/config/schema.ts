import { z } from 'zod'
import { a2a } from './a2a.ts'
import { egress } from './egress.ts'
import { guards } from './guards.ts'
import { host, one } from './http/match.ts'
import { http } from './http.ts'
import { identities, listenerIdentity, teams } from './identities.ts'
import { alerts, budgets, limits } from './limits.ts'
import { mcp } from './mcp.ts'
import { policies } from './policies.ts'
import { address, baseUrl, duration, name, port, providerKey, secret } from './primitives.ts'
import { aliases, prompts } from './prompts.ts'

export { durationMs } from './primitives.ts'

/**
 * The rules: what `chaperone.yaml` may say. This is the one source of the types, the validation and the JSON Schema
 * (chaperone.schema.json); every `describe` here is what an editor shows.
 */

export const listener = z
  .strictObject({
    address: address.default('127.0.0.1'),
    port: port.default(10000),
    maxRequestBytes: z
      .int()
      .min(1024)
      .max(256 * 1024 * 1024)
      .default(32 * 1024 * 1024)
      .describe('The largest request body, in bytes. A larger one is refused with 413.'),
    tls: z
      .strictObject({
        certificateFile: z.string().min(1).optional().describe('PEM file with the certificate chain'),
        keyFile: z.string().min(1).optional().describe('PEM file with the private key'),
        certificates: z
          .array(
            z.strictObject({
              hosts: z.array(host).min(1).max(100).describe('The names that clients ask for (SNI); `*` for all others'),
              certificateFile: z.string().min(1).describe('PEM file with the certificate chain'),
              keyFile: z.string().min(1).describe('PEM file with the private key'),
            }),
          )
          .min(1)
          .max(1000)
          .optional()
          .describe(
            'Instead of one certificate for all: one for each name. A connection for one name takes no requests for the name of another (421).',
          ),
        clientCaFile: z
          .string()
          .min(1)
          .optional()
          .describe(
            'PEM file of the authorities whose client certificates are accepted; none: no certificate is asked for',
          ),
        requireClientCertificate: z
          .boolean()
          .optional()
          .describe('Whether connections without one are refused; default: where `identity` accepts mtls only'),
      })
      .refine(
        ({ certificateFile, keyFile, certificates }) => one(certificateFile, keyFile) === (certificates ? 0 : 2),
        {
          error: 'needs either certificateFile and keyFile, or certificates',
        },
      )
      .optional()
      .describe('Terminates TLS here. The files are read again when they change.'),
    http3: z
      .boolean()
      .default(false)
      .describe('Whether there is HTTP/3 too, on the same port (UDP), and answers say so (alt-svc). Needs `tls`.'),
    identity: listenerIdentity.prefault({}),
    serves: z
      .array(z.enum(['ai', 'http', 'passthrough', 'egress']))
      .min(1)
      .default(['ai', 'http', 'passthrough'])
      .describe(
        'What there is: the paths of AI traffic (models, MCP), the routes of `http`, `http.passthrough`; or `egress`, a proxy for calls to anywhere',
      ),
    transparent: z
      .boolean()
      .default(false)
      .describe('Whether connections are sent here by the kernel (iptables REDIRECT), with serves: [egress]'),
  })
  .meta({ title: 'Listener' })
  .describe('An address that agents connect to')

const upstreamTls = z
  .strictObject({
    caFile: z.string().min(1).optional().describe('PEM file of the authorities to trust instead of the system’s'),
    serverName: z.string().min(1).optional().describe('The name to ask for and to verify instead of the URL’s host'),
  })
  .describe('TLS towards the provider. Verification cannot be switched off.')

const providerBase = {
  tls: upstreamTls.optional(),
  connectTimeout: duration.default('5s').describe('How long a connection, with its TLS handshake, may take to open'),
}

const openai = z
  .strictObject({
    type: z.literal('openai').describe('The kind of provider'),
    ...providerBase,
    baseUrl: baseUrl.default('https://api.openai.com/v1'),
    apiKey: providerKey,
    organization: z.string().optional().describe('The OpenAI-Organization header'),
    project: z.string().optional().describe('The OpenAI-Project header'),
    translateTo: z
      .enum(['chat', 'responses'])
      .default('chat')
      .describe('The OpenAI API that requests of other APIs (messages) are translated to'),
  })
  .meta({ title: 'OpenAI' })
  .describe('OpenAI')

const azureOpenai = z
  .strictObject({
    type: z.literal('azure-openai').describe('The kind of provider'),
    ...providerBase,
    baseUrl: baseUrl.describe('https://RESOURCE.openai.azure.com'),
    apiKey: providerKey.optional().describe('The resource’s key, or ${client}. Either this or bearerToken.'),
    bearerToken: secret.optional().describe('A Microsoft Entra ID token, kept fresh in a file by someone else'),
    apiVersion: z
      .string()
      .default('v1')
      .describe('`v1` for the versionless API (/openai/v1), or a dated version for the deployments API'),
    translateTo: z
      .enum(['chat', 'responses'])
      .default('chat')
      .describe('The API that requests of other APIs (messages) are translated to'),
  })
  .meta({ title: 'Azure OpenAI' })
  .describe('Azure OpenAI. A target’s model is the deployment’s name.')

const anthropic = z
  .strictObject({
    type: z.literal('anthropic').describe('The kind of provider'),
    ...providerBase,
    baseUrl: baseUrl.default('https://api.anthropic.com'),
    apiKey: providerKey,
    version: z.string().default('2023-06-01').describe('anthropic-version, where the client sent none'),
  })
  .meta({ title: 'Anthropic' })
  .describe('Anthropic')

const gemini = z
  .strictObject({
    type: z.literal('gemini').describe('The kind of provider'),
    ...providerBase,
    baseUrl: baseUrl.default('https://generativelanguage.googleapis.com/v1beta'),
    apiKey: providerKey,
  })
  .meta({ title: 'Gemini' })
  .describe('Google Gemini API')

const vertex = z
  .strictObject({
    type: z.literal('vertex').describe('The kind of provider'),
    ...providerBase,
    baseUrl: baseUrl.optional().describe('Instead of the location’s own address'),
    project: z.string().min(1).describe('The Google Cloud project, by id or number'),
    location: z.string().min(1).default('global').describe('global, us, eu or a region such as europe-west1'),
    credentialsFile: z
      .string()
      .min(1)
      .optional()
      .describe('A service account or workload identity file; otherwise Application Default Credentials'),
  })
  .meta({ title: 'Vertex AI' })
  .describe('Google Vertex AI: Gemini models and Claude models')

const bedrock = z
  .strictObject({
    type: z.literal('bedrock').describe('The kind of provider'),
    ...providerBase,
    baseUrl: baseUrl.optional().describe('Instead of https://bedrock-runtime.REGION.amazonaws.com'),
    region: z.string().min(1).describe('The AWS region, such as eu-central-1'),
    apiKey: secret.optional().describe('A Bedrock API key; otherwise requests are signed (SigV4)'),
    accessKeyId: secret.optional().describe('Together with secretAccessKey: signs with these keys'),
    secretAccessKey: secret.optional().describe('Belongs to accessKeyId'),
    sessionToken: secret.optional().describe('Belongs to temporary keys'),
    profile: z.string().optional().describe('A profile of the shared AWS files'),
  })
  .meta({ title: 'Bedrock' })
  .describe('AWS Bedrock (Converse). Without keys here the AWS default credential chain is used.')

const openaiCompatible = z
  .strictObject({
    type: z.literal('openai-compatible').describe('The kind of provider'),
    ...providerBase,
    baseUrl,
    apiKey: providerKey
      .optional()
      .describe('Sent as a bearer token, or ${client}: the caller’s own key; none: no credential is sent'),
    apis: z
      .array(z.enum(['chat', 'completions', 'embeddings', 'responses', 'messages']))
      .min(1)
      .default(['chat', 'completions', 'embeddings'])
      .describe('The APIs the server has; requests of other APIs are translated to chat'),
    quirks: z
      .strictObject({
        maxTokensField: z
          .enum(['max_tokens', 'max_completion_tokens'])
          .default('max_tokens')
          .describe('The field that bounds the answer’s length'),
        developerRole: z
          .boolean()
          .default(false)
          .describe('Whether it knows the role `developer`; else it is `system`'),
        streamUsage: z.boolean().default(true).describe('Whether it takes `stream_options` with `include_usage`'),
        jsonSchema: z.boolean().default(true).describe('Whether it knows a `response_format` of type `json_schema`'),
        reasoningContent: z
          .boolean()
          .default(false)
          .describe('Whether it wants its `reasoning_content` back in the next request'),
      })
      .prefault({})
      .describe('Where the server deviates from OpenAI'),
  })
  .meta({ title: 'OpenAI-compatible' })
  .describe('Any server that speaks OpenAI’s API: vLLM, Ollama, Groq, Mistral, DeepSeek, OpenRouter, …')

export const provider = z.discriminatedUnion('type', [
  openai,
  azureOpenai,
  anthropic,
  gemini,
  vertex,
  bedrock,
  openaiCompatible,
])

const target = z
  .strictObject({
    provider: name.describe('The name of one of `providers`'),
    model: z
      .string()
      .min(1)
      .optional()
      .describe('The model’s name at the provider; otherwise what the client asked for'),
    weight: z.int().min(1).max(1000).default(1).describe('Share of the traffic inside its priority group'),
    priority: z
      .int()
      .min(0)
      .max(15)
      .default(0)
      .describe('0 is asked first; the next number when no target of the one before it can serve'),
  })
  .meta({ title: 'Target' })
  .describe('A provider, and the model to ask it for')

const timeouts = z
  .strictObject({
    firstByte: duration
      .default('120s')
      .describe('How long one attempt may stay silent, before its answer or in the middle of it'),
    total: duration
      .default('600s')
      .describe('How long the whole request may take, all attempts and the stream included'),
  })
  .describe('How long requests may take')

export const model = z
  .strictObject({
    targets: z.array(target).min(1).max(16).describe('Who serves the model: groups by `priority`, shares by `weight`'),
    timeouts: timeouts.prefault({}),
    maxAttempts: z.int().min(1).max(16).optional().describe('How many targets a request may try; default: all of them'),
  })
  .meta({ title: 'Model' })
  .describe('A model name that clients use, and who serves it')

const perMillion = z.number().min(0).describe('US dollars per million tokens')
const price = z
  .strictObject({
    input: perMillion.describe('US dollars per million prompt tokens'),
    output: perMillion.describe('US dollars per million completion tokens'),
    cachedInput: perMillion.optional().describe('The same for prompt tokens read from the cache; default: `input`'),
    cacheWriteInput: perMillion
      .optional()
      .describe('The same for prompt tokens written to the cache; default: `input`'),
  })
  .meta({ title: 'Price' })
  .describe('What a model costs')

const telemetry = z
  .strictObject({
    address: address.default('127.0.0.1'),
    port: port.default(10001).describe('Serves /metrics, /livez and /readyz'),
    logLevel: z
      .enum(['trace', 'debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('The least severe lines that are logged'),
    accessLog: z.boolean().default(true).describe('One log line a request'),
    otlpEndpoint: baseUrl.optional().describe('An OTLP/HTTP collector, such as http://127.0.0.1:4318; none: no traces'),
    sampling: z.number().min(0).max(1).default(1).describe('Share of new traces that are recorded'),
  })
  .describe('Metrics, health, logs and traces')

export const rulesSchema = z
  .strictObject({
    listeners: z
      .record(name, listener)
      .refine((value) => Object.keys(value).length > 0, 'needs at least one listener')
      .meta({ minProperties: 1 })
      .prefault({ default: {} })
      .describe('Where agents connect, by names of your choosing'),
    providers: z
      .record(name, provider)
      .default({})
      .describe('Accounts at those who serve models, by names of your choosing'),
    models: z
      .record(
        z.string().regex(/^[^*\s]{1,200}\*?$|^\*$/, 'must be a model name without blanks; a * may stand at its end'),
        model,
      )
      .default({})
      .describe('By the name clients use. A name may end in * (the longest match wins).'),
    prices: z
      .record(z.string().min(1), price)
      .default({})
      .describe(
        'Overrides of the built-in catalogue, by `model` or `provider/model` (names as the provider knows them)',
      ),
    telemetry: telemetry.prefault({}),
    identities: identities.prefault({}),
    teams: teams.default({}),
    aliases: aliases.default({}),
    policies: policies.prefault({}),
    limits: limits.default({}),
    budgets: budgets.default({}),
    alerts: alerts.prefault({}),
    guards: guards.default({}),
    prompts: prompts.default({}),
    mcp: mcp.prefault({}),
    a2a: a2a.prefault({}),
    http: http.prefault({}),
    egress: egress.prefault({}),
  })
  .describe('Chaperone’s rules')

/** The rules with every default filled in. */
export type Rules = z.output<typeof rulesSchema>
/** The rules as a person writes them. */
export type RulesInput = z.input<typeof rulesSchema>
export type ProviderRule = z.output<typeof provider>
export type ProviderType = ProviderRule['type']
export type ProviderRuleOf<T extends ProviderType> = Extract<ProviderRule, { type: T }>
export type ModelRule = z.output<typeof model>
export type TargetRule = z.output<typeof target>
export type ListenerRule = z.output<typeof listener>
export type TelemetryRule = z.output<typeof telemetry>
export type PriceRule = z.output<typeof price>
