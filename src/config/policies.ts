import { z } from 'zod'
import { expression, name } from './primitives.ts'

/** Who may do what. */

export const policy = z
  .strictObject({
    effect: z.enum(['allow', 'deny']).describe('A deny that applies wins over every allow'),
    when: expression.describe('Whether the policy applies (CEL, a boolean)'),
    message: z.string().min(1).max(500).optional().describe('What a refused caller is told: what to do about it'),
  })
  .meta({ title: 'Policy' })

export const policies = z
  .strictObject({
    default: z.enum(['allow', 'deny']).default('allow').describe('What holds where no policy applies'),
    rules: z.record(name, policy).default({}).describe('Policies by name; their order means nothing'),
  })
  .describe('Who may do what')

export type PoliciesRule = z.output<typeof policies>
export type PolicyRule = z.output<typeof policy>
