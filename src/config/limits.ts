import { z } from 'zod'
import { expression, name, secret } from './primitives.ts'

/** How much may be used: rates, concurrency, budgets. */

export const dimensions = ['organization', 'team', 'user', 'key', 'model', 'listener', 'tree'] as const

const by = z
  .array(
    z.union([
      z.enum(dimensions),
      z.strictObject({ expression: expression.describe('A CEL expression whose value tells the callers apart') }),
    ]),
  )
  .max(4)
  .default([])
  .describe('What is counted apart: each combination of these has its own count; none: one count for all')

const shared = {
  when: expression.optional().describe('Which requests count (CEL, a boolean); default: all'),
  by,
  onStoreFailure: z
    .enum(['local', 'deny', 'allow'])
    .default('local')
    .describe('While Redis cannot be asked: go on with this sidecar’s share, refuse, or let all through'),
}
const amounts = (what: string) =>
  z
    .record(z.string().min(1), z.number().min(0))
    .default({})
    .describe(`Other ${what} for single callers, by the value of \`by\` (several joined with /)`)

export const limit = z
  .strictObject({
    ...shared,
    requests: z.int().min(0).optional().describe('How many requests a period may have'),
    tokens: z.int().min(0).optional().describe('How many tokens, prompt and completion, a period may have'),
    concurrent: z.int().min(0).optional().describe('How many requests may be under way at once'),
    per: z
      .enum(['minute', 'hour', 'day'])
      .optional()
      .describe('The period of requests or tokens, by UTC; default: minute'),
    amounts: amounts('limits'),
  })
  .refine(
    ({ requests, tokens, concurrent }) =>
      [requests, tokens, concurrent].filter((amount) => amount !== undefined).length === 1,
    'needs exactly one of requests, tokens and concurrent',
  )
  .refine(({ concurrent, per }) => concurrent === undefined || per === undefined, {
    path: ['per'],
    message: 'does not go with concurrent, which has no period',
  })
  .meta({ title: 'Limit' })

export const limits = z
  .record(name, limit)
  .describe('Rates and concurrency. Each has exactly one of requests, tokens and concurrent.')

export const budget = z
  .strictObject({
    ...shared,
    usd: z.number().min(0).max(1_000_000).optional().describe('US dollars a period'),
    tokens: z.int().min(0).optional().describe('Tokens a period'),
    per: z
      .enum(['day', 'week', 'month', 'total'])
      .default('month')
      .describe('The period, by UTC; weeks begin on Monday'),
    amounts: amounts('budgets'),
    alerts: z
      .array(z.number().gt(0).max(10))
      .max(10)
      .default([0.8, 1])
      .describe('Shares of the budget whose use is reported, once a period'),
    atEnd: z
      .union([
        z.literal('deny'),
        z.strictObject({ downgrade: z.string().min(1).describe('The model that answers instead, from then on') }),
      ])
      .default('deny')
      .describe('What becomes of requests when it is used up'),
  })
  .refine(({ usd, tokens }) => (usd === undefined) !== (tokens === undefined), 'needs exactly one of usd and tokens')
  .meta({ title: 'Budget' })

export const budgets = z.record(name, budget).describe('What may be spent. Each has exactly one of usd and tokens.')

export const alerts = z
  .strictObject({
    webhook: z
      .strictObject({
        url: z
          .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
          .describe('Gets a POST with JSON'),
        secret: secret.optional().describe('Signs the body: HMAC-SHA-256 in x-chaperone-signature'),
      })
      .optional()
      .describe('Where alerts go'),
  })
  .describe('Who is told when a budget or a guard reports something. It is in the log in any case.')

export type LimitRule = z.output<typeof limit>
export type BudgetRule = z.output<typeof budget>
export type MeterDimension = (typeof dimensions)[number]
export type AlertsRule = z.output<typeof alerts>
