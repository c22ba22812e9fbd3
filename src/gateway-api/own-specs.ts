import { z } from 'zod'
import { agent } from '../config/a2a.ts'
import { guard } from '../config/guards.ts'
import { service } from '../config/http/service.ts'
import { route } from '../config/http.ts'
import { listenerIdentity } from '../config/identities.ts'
import { budget, limit } from '../config/limits.ts'
import { mcpEndpoint, mcpServer } from '../config/mcp.ts'
import { policy } from '../config/policies.ts'
import { listener, model, provider } from '../config/schema.ts'
import type { Kind } from './kinds.ts'

/**
 * The specs of our own kinds: each is the part of the rules that it stands for, so that whoever knows one knows the other. The CRDs in
 * k8s/crds/ are made of these. Policies say beside it what they are attached to (GEP-713).
 */

const targetRefs = (kinds: string, sections: string) =>
  z
    .array(
      z.strictObject({
        group: z.string().max(253).describe('The group of the target: gateway.networking.k8s.io, or "" for Services'),
        kind: z.string().min(1).max(63).describe(`The kind of the target: ${kinds}`),
        name: z.string().min(1).max(253).describe('Its name, in the namespace of the policy'),
        sectionName: z.string().min(1).max(253).optional().describe(sections),
      }),
    )
    .min(1)
    .max(16)
    .describe('What the policy is attached to')

const routes = targetRefs('Gateway, HTTPRoute or GRPCRoute', 'A listener of the Gateway, or a rule of the route')

function pick<Shape extends object, Key extends keyof Shape>(shape: Shape, keys: readonly Key[]): Pick<Shape, Key> {
  return Object.fromEntries(keys.map((key) => [key, shape[key]])) as Pick<Shape, Key>
}

/** What a TrafficPolicy may say of routes. */
export const traffic = z.strictObject(
  pick(route.shape, [
    'timeout',
    'idleTimeout',
    'retry',
    'cors',
    'csrf',
    'clients',
    'jwt',
    'apiKey',
    'governed',
    'rateLimit',
    'maxRequestBytes',
    'compression',
    'affinity',
    'fault',
    'grpcWeb',
  ]),
)

/** What a BackendPolicy may say of Services. */
export const backend = z.strictObject(
  pick(service.shape, [
    'balance',
    'hashOn',
    'health',
    'outlier',
    'panicPercent',
    'breaker',
    'connectTimeout',
    'idleTimeout',
    'maxRequestsPerConnection',
  ]),
)

/** What a GatewayPolicy may say of listeners. */
export const listening = z.strictObject({
  identity: listenerIdentity.optional(),
  maxRequestBytes: listener.shape.maxRequestBytes.optional(),
})

/** What clients call a Model. */
const modelName = z
  .string()
  .regex(/^[^*\s]{1,200}\*?$|^\*$/, 'must be a model name without blanks; a * may stand at its end')
  .optional()
  .describe('What clients call it; default: the object’s name')

export type OwnKind = Extract<
  Kind,
  | 'Provider'
  | 'Model'
  | 'McpServer'
  | 'McpEndpoint'
  | 'Agent'
  | 'GatewayPolicy'
  | 'TrafficPolicy'
  | 'BackendPolicy'
  | 'AccessPolicy'
  | 'LimitPolicy'
  | 'BudgetPolicy'
  | 'GuardPolicy'
>

interface OwnSpec {
  /** The part of the rules. */
  readonly part: z.ZodType
  /** What the object says beside it. */
  readonly beside: Readonly<Record<string, z.ZodType>>
  readonly description: string
}

export const ownSpecs: Readonly<Record<OwnKind, OwnSpec>> = {
  Provider: { part: provider, beside: {}, description: 'An account at those who serve models' },
  Model: { part: model, beside: { name: modelName }, description: 'A model that clients ask for, and who serves it' },
  McpServer: { part: mcpServer, beside: {}, description: 'An MCP server' },
  McpEndpoint: { part: mcpEndpoint, beside: {}, description: 'MCP servers that are shown as one' },
  Agent: { part: agent, beside: {}, description: 'An agent (A2A)' },
  GatewayPolicy: {
    part: listening,
    beside: { targetRefs: targetRefs('Gateway', 'Not used: all listeners of a port are one') },
    description: 'Who may ask a Gateway',
  },
  TrafficPolicy: { part: traffic, beside: { targetRefs: routes }, description: 'How requests of routes are carried' },
  BackendPolicy: {
    part: backend,
    beside: { targetRefs: targetRefs('Service', 'Not used: a policy is for all ports') },
    description: 'How a Service is spoken to',
  },
  AccessPolicy: { part: policy, beside: { targetRefs: routes }, description: 'Who may do what' },
  LimitPolicy: { part: limit, beside: { targetRefs: routes }, description: 'A rate, or how many at once' },
  BudgetPolicy: { part: budget, beside: { targetRefs: routes }, description: 'What may be spent' },
  GuardPolicy: { part: guard, beside: { targetRefs: routes }, description: 'What prompts and completions may hold' },
}
