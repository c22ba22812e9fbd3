import { z } from 'zod'
import { identityKinds } from '../config/identities.ts'
import { factsOf } from './facts-of.ts'
import type { Policies, PolicyStep, Verdict } from './policies.ts'

/**
 * Table tests that policy teams keep beside their rules, in files named `*.test.yaml`: requests, and what the policies must
 * say of them.
 */
const tool = z.strictObject({
  server: z.string(),
  name: z.string(),
  arguments: z.record(z.string(), z.json()).default({}),
  destructive: z.boolean().default(false),
  readOnly: z.boolean().default(false),
})
const agent = z.strictObject({
  name: z.string(),
  skill: z.string().default(''),
  depth: z.int().min(0).default(0),
  from: z.string().optional(),
})

export const tableCase = z
  .strictObject({
    name: z.string().min(1).describe('What is shown'),
    request: z
      .strictObject({
        method: z.string().optional(),
        path: z.string().optional(),
        listener: z.string().optional(),
        route: z.string().optional(),
        operation: z.string().optional(),
        stream: z.boolean().optional(),
        bytes: z.int().min(0).optional(),
      })
      .optional(),
    identity: z
      .strictObject({
        kind: z.enum(identityKinds).optional(),
        subject: z.string().optional(),
        user: z.string().optional(),
        team: z.string().optional(),
        organization: z.string().optional(),
        key: z.string().optional(),
        claims: z.record(z.string(), z.json()).optional(),
        tree: z.string().optional(),
        onBehalfOf: z.string().optional(),
        chain: z.array(z.string()).optional(),
      })
      .optional(),
    model: z.string().optional(),
    parameters: z.record(z.string(), z.json()).optional(),
    tool: tool.optional(),
    agent: agent.optional(),
    now: z.iso.datetime({ offset: true }).optional(),
    spent: z.record(z.string(), z.number()).optional(),
    expect: z.enum(['allow', 'deny']),
    policy: z.string().optional().describe('The policy that must have decided'),
  })
  .meta({ title: 'Case' })

export const table = z.strictObject({ tests: z.array(tableCase).min(1) })

export type TableCase = z.output<typeof tableCase>

/** How one case went. */
export interface CaseResult {
  name: string
  passed: boolean
  verdict: Verdict
  steps: PolicyStep[]
  /** What was expected, where it did not come. */
  expected?: string
}

/** Runs the cases against compiled policies. */
export function runTable(cases: readonly TableCase[], policies: Policies): CaseResult[] {
  return cases.map(({ name, expect, policy, now, request, identity, ...rest }) => {
    const facts = factsOf({
      ...rest,
      request: withoutUndefined(request ?? {}),
      identity: identityOf(identity ?? {}),
      now: now === undefined ? undefined : new Date(now),
    })
    const { verdict, steps } = policies.explain(facts)
    const right = verdict.effect === expect && (policy === undefined || verdict.policy === policy)
    const expected = policy === undefined ? expect : `${expect} by ${policy}`
    return { name, passed: right, verdict, steps, ...(!right && { expected }) }
  })
}

/** Who works for others is said in the words of the variables. */
function identityOf({ tree, onBehalfOf, chain, ...rest }: NonNullable<TableCase['identity']>) {
  const inTree = tree !== undefined || onBehalfOf !== undefined || chain !== undefined
  return {
    ...withoutUndefined(rest),
    ...(inTree && { delegation: { tree: tree ?? '', subject: onBehalfOf ?? '', chain: chain ?? [], budgets: [] } }),
  }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
}
