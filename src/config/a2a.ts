import { z } from 'zod'
import { baseUrl, duration, durationMs, expression, name, port, sealKey, secret } from './primitives.ts'

/** A2A: which agents there are, who may delegate what to whom, and where notifications may go. */

const text = z.string().min(1).max(500)
const url = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
const patterns = z.array(
  z.string().regex(/^[^*\s]{1,200}\*?$|^\*$/, 'must be a name without blanks; a * may stand at its end'),
)
const network = z
  .string()
  .regex(/^[0-9a-fA-F.:]{2,45}\/\d{1,3}$/, 'must be a network such as 10.1.0.0/16 or fd00:1::/32')
const binding = z.enum(['jsonrpc', 'http+json', 'grpc'])
const version = z.enum(['0.3', '1.0'])
const grpcHost = z
  .string()
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?$/,
    'must be a host in small letters, with a port or none',
  )
const algorithm = z.enum(['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'])

/** What a tree has spent is kept for as long. */
const longestLifetimeMs = 720 * 3_600_000

const tokenEndpoint = {
  tokenUrl: url.describe('The authorization server’s token endpoint'),
  clientId: text.describe('The client id that the authorization server knows the gateway by'),
  scopes: z.array(z.string().min(1).max(200)).max(50).default([]).describe('The scopes to ask for'),
  resource: z.url().optional().describe('The resource that tokens are asked for (RFC 8707); default: the agent’s URL'),
}

/** The kinds that MCP servers have, but for passing the caller's token on: what is meant for the gateway stays with it. */
const credential = z
  .discriminatedUnion('type', [
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
        ...tokenEndpoint,
        clientSecret: secret,
      })
      .meta({ title: 'Client credentials' }),
    z
      .strictObject({
        type: z.literal('token-exchange').describe('A token for the caller, in exchange for the caller’s (RFC 8693)'),
        ...tokenEndpoint,
        clientSecret: secret.optional().describe('The gateway’s secret there; none: a public client'),
        audience: text.optional().describe('The audience to ask for'),
      })
      .meta({ title: 'Token exchange' }),
  ])
  .describe('What the gateway shows the agent. Nothing of what the caller showed gets there.')

const agentInterface = z
  .strictObject({
    url: baseUrl.describe('Where it is asked'),
    binding: binding.describe('How it is asked'),
    version: version.describe('The version of A2A it speaks there'),
    tenant: text.optional().describe('The tenant to name in requests (1.0)'),
  })
  .meta({ title: 'Interface' })

export const agent = z
  .strictObject({
    url: baseUrl.describe('Where the agent is: https://planner.example.com'),
    card: z
      .strictObject({
        url: url
          .optional()
          .describe('Where its card is; default: /.well-known/agent-card.json, or the older agent.json, below its URL'),
        file: z.string().min(1).optional().describe('A file with its card instead, read again when it changes'),
        lifetime: duration.default('5m').describe('How long the card is used where the agent does not say'),
        maxLifetime: duration.default('24h').describe('How long it is used at most, whatever the agent says'),
        keys: z
          .strictObject({
            file: z.string().min(1).optional().describe('A file with keys (JWKS), read again when it changes'),
            urls: z
              .array(url)
              .max(10)
              .default([])
              .describe('Key sets that signatures may name in `jku`; no others are asked'),
            require: z.boolean().default(true).describe('Whether a card without a valid signature is refused'),
          })
          .optional()
          .describe('Who may sign its card; absent: signatures are not looked at'),
      })
      .prefault({})
      .describe('What the agent says of itself'),
    interfaces: z
      .union([z.literal('auto'), z.array(agentInterface).min(1).max(12)])
      .default('auto')
      .describe('How it is asked: what its card says (`auto`), or this, in the order of preference'),
    hosts: z
      .array(
        z.string().regex(/^(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/, 'must be a host, with a port or none'),
      )
      .max(20)
      .default([])
      .describe('Hosts beside that of its URL where its card may lead'),
    offer: z
      .strictObject({
        bindings: z.array(binding).min(1).default(['jsonrpc', 'http+json', 'grpc']).describe('The bindings'),
        versions: z.array(version).min(1).default(['1.0', '0.3']).describe('The versions of A2A'),
        grpcHost: grpcHost
          .optional()
          .describe(
            'A host of the agent’s own, with a port or none, by which clients of gRPC reach the gateway: planner.agents.example.com; default: they name the agent as `tenant`, or in the metadata `chaperone-agent`',
          ),
      })
      .prefault({})
      .describe('What clients of the gateway may speak; what the agent does not is translated'),
    tls: z
      .strictObject({
        caFile: z.string().min(1).optional().describe('PEM file of the authorities to trust instead of the system’s'),
        serverName: text.optional().describe('The name to ask for and to verify instead of the URL’s host'),
      })
      .optional()
      .describe('TLS towards the agent. Verification cannot be switched off.'),
    connectTimeout: duration.default('5s').describe('How long a connection, with its TLS handshake, may take to open'),
    callTimeout: duration.default('300s').describe('How long a call may take that is no stream'),
    streamIdle: duration.default('5m').describe('The longest silence of a stream before it is ended'),
    credential: credential.optional(),
    skills: z
      .strictObject({
        allow: patterns.default(['*']).describe('The skills that are shown, by their ids'),
        deny: patterns.default([]).describe('Skills that are not, whatever `allow` says'),
      })
      .prefault({})
      .describe('Which of its skills are shown and may be asked for'),
    callers: z
      .array(z.string().regex(/^(?:mtls|jwt|key):\S{1,500}$/, 'must be mtls:SPIFFE-ID, jwt:ISSUER/SUBJECT or key:ID'))
      .max(50)
      .default([])
      .describe('The identities that are this agent where it calls others: mtls:SPIFFE-ID, jwt:ISSUER/SUBJECT, key:ID'),
  })
  .meta({ title: 'Agent' })
  .describe('An agent behind the gateway')

const signer = z
  .strictObject({
    keyFile: z
      .string()
      .min(1)
      .describe('A file with the private key (PKCS #8, PEM), read when the rules are put into force'),
    id: z
      .string()
      .regex(/^[a-zA-Z0-9._-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores')
      .describe('The key’s id; every key has its own'),
    algorithm: algorithm.default('ES256').describe('How it signs'),
  })
  .describe('What the gateway signs with; public keys are at /.well-known/jwks.json')

const delegation = z
  .strictObject({
    issuer: text
      .default('chaperone')
      .describe('What this gateway calls itself in delegations; the same in all its sidecars'),
    trusted: z
      .record(
        name,
        z
          .strictObject({
            issuer: text.describe('What it calls itself'),
            jwksUri: url.optional().describe('Where its keys are. Either this or jwksFile.'),
            jwksFile: z.string().min(1).optional().describe('A file with its keys (JWKS), read again when it changes'),
          })
          .refine(({ jwksUri, jwksFile }) => (jwksUri === undefined) !== (jwksFile === undefined), {
            error: 'needs either jwksUri or jwksFile',
          })
          .meta({ title: 'Gateway' }),
      )
      .default({})
      .describe('Other gateways whose delegations count'),
    maxDepth: z
      .int()
      .min(1)
      .max(32)
      .default(4)
      .describe('How many delegations may lie one after another; 1: nobody passes on what was delegated to them'),
    lifetime: duration
      .refine((text) => durationMs(text) <= longestLifetimeMs, 'must be at most 720h')
      .default('15m')
      .describe('How long a delegation may be used; none lives longer than the one before it'),
    required: z
      .boolean()
      .default(false)
      .describe('Whether agents (those with `callers`) may call others only with a delegation of their own'),
    default: z.enum(['allow', 'deny']).default('allow').describe('What holds where no rule applies'),
    rules: z
      .record(
        name,
        z
          .strictObject({
            effect: z.enum(['allow', 'deny']).describe('A deny that applies wins over every allow'),
            when: expression.describe(
              'Whether the rule applies (CEL, a boolean): `agent.name == "billing" && agent.depth > 1`',
            ),
            message: text.optional().describe('What a refused caller is told: what to do about it'),
            grants: z
              .strictObject({
                models: patterns.optional().describe('Models'),
                servers: patterns.optional().describe('MCP servers'),
                agents: patterns.optional().describe('Agents that it may delegate to in turn'),
              })
              .optional()
              .describe(
                'An allow’s: what the callee may use at most while it works on this; default: what its caller may',
              ),
          })
          .refine(({ effect, grants }) => effect === 'allow' || grants === undefined, {
            error: 'belongs to rules with effect: allow',
            path: ['grants'],
          })
          .meta({ title: 'Delegation rule' }),
      )
      .default({})
      .describe('Who may delegate what to whom, by names; their order means nothing'),
  })
  .describe('Who may delegate to whom, and how deep')

const tree = z
  .strictObject({
    usd: z.number().min(0).max(1_000_000).optional().describe('US dollars for models'),
    tokens: z.int().min(0).optional().describe('Tokens of models, prompts and completions'),
    toolCalls: z.int().min(0).optional().describe('Calls of MCP tools'),
    delegations: z.int().min(0).optional().describe('Messages to agents, the first one included'),
    time: duration
      .optional()
      .describe('How long it may take, from its first message; what is under way then is cut off'),
  })
  .describe(
    'What all that comes of one task may spend, where this gateway is asked first: its agents’ models, tools and delegations together, at all gateways. Callers may open smaller budgets.',
  )

const push = z
  .strictObject({
    mode: z
      .enum(['off', 'relay', 'allow'])
      .default('relay')
      .describe(
        'Notifications of tasks: none, through the gateway, which calls the client’s URL itself, or from the agent straight to it. With `allow` the URL is checked once, and where its name leads later is the agent’s to check.',
      ),
    schemes: z
      .array(z.enum(['https', 'http']))
      .min(1)
      .default(['https'])
      .describe('What callback URLs begin with'),
    ports: z.array(port).min(1).max(50).default([443]).describe('The ports they may have'),
    hosts: z
      .array(
        z
          .string()
          .regex(
            /^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*$/,
            'must be a host in small letters; *. may stand in front of it',
          ),
      )
      .min(1)
      .max(500)
      .optional()
      .describe('The hosts that may be called; default: all that are public'),
    networks: z
      .array(network)
      .max(100)
      .default([])
      .describe('Networks that may be called though they are private: 10.1.0.0/16'),
    attempts: z.int().min(1).max(50).default(10).describe('How often a notification is tried before it is given up'),
    retention: duration.default('24h').describe('How long one that could not be delivered is kept and tried again'),
    timeout: duration.default('15s').describe('How long the client may take to answer'),
    publicUrl: baseUrl
      .optional()
      .describe(
        'Where agents reach the gateway with their notifications; default: `a2a.baseUrl`, else the address of the listener that the client came by',
      ),
    keys: z
      .array(sealKey)
      .max(8)
      .default([])
      .describe(
        'Clients’ callbacks and what waits for them are sealed: the first key seals, all open. None: a key in the directory of the state; with Redis there must be one, or nobody is notified.',
      ),
    sign: z
      .boolean()
      .default(false)
      .describe(
        'Whether the gateway signs what it delivers (a JWT, by `a2a.signer`), so that clients can tell that it is from here',
      ),
    requireIdentity: z
      .boolean()
      .default(false)
      .describe(
        'Whether an agent that notifies has to show one of its `callers` as well as the credential it was given',
      ),
    maxBytes: z
      .int()
      .min(1024)
      .max(16 * 1024 * 1024)
      .default(1024 * 1024)
      .describe('The longest notification that is taken, in bytes'),
    maxQueued: z
      .int()
      .min(10)
      .max(1_000_000)
      .default(10_000)
      .describe(
        'How many notifications may wait; a tenth of them for one callback. An agent that has more to say is told to come again.',
      ),
  })
  .describe('Where agents’ notifications may go')

export const a2a = z
  .strictObject({
    agents: z.record(name, agent).default({}).describe('Agents by names of your choosing; each is at /a2a/NAME'),
    baseUrl: baseUrl
      .optional()
      .describe('Where clients reach the gateway, for the URLs in cards; default: where the card was asked for'),
    grpcHost: grpcHost
      .optional()
      .describe(
        'Where clients of gRPC reach it, with a port or none, for cards; default: the host and port of the others',
      ),
    taskOwner: z
      .enum(['caller', 'user', 'team', 'organization'])
      .default('caller')
      .describe(
        'Whose tasks are: of the identity that began them alone, or of all identities of its user, team or organization. Who has none of these is alone.',
      ),
    signer: signer
      .optional()
      .describe('Signs cards and delegations. None: cards are unsigned, and a key of this process signs delegations.'),
    delegation: delegation.prefault({}),
    tree: tree.default({}),
    push: push.prefault({}),
  })
  .refine(
    ({ tree, delegation }) => tree.time === undefined || durationMs(tree.time) <= durationMs(delegation.lifetime),
    {
      path: ['tree', 'time'],
      error: 'must not be longer than delegation.lifetime, after which no agent of the tree can show a delegation',
    },
  )
  .describe('Agents that others delegate to (A2A)')

export type A2aRule = z.output<typeof a2a>
export type A2aAgentRule = z.output<typeof agent>
export type A2aCredentialRule = z.output<typeof credential>
export type A2aDelegationRule = z.output<typeof delegation>
export type A2aTreeRule = z.output<typeof tree>
export type A2aTaskOwner = A2aRule['taskOwner']
export type A2aPushRule = z.output<typeof push>
