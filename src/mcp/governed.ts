import type { McpRule } from '../config/mcp.ts'
import type { Governance } from '../governance/governance.ts'
import type { Admission, Refusal } from '../limits/admission.ts'
import { refusalText, rulePath } from '../limits/refusal-text.ts'
import type { Condition, ExpressionCompiler } from '../policy/expression.ts'
import type { Facts } from '../policy/facts.ts'
import type { Approval, Judge, Wanted } from './access.ts'
import { type Approvers, approvalPath } from './approval/approvals.ts'
import type { Admitted, McpContext } from './context.ts'
import type { Incoming } from './endpoint.ts'
import { McpError } from './errors.ts'
import type { JsonObject, Tool } from './protocol.ts'
import type { Caller } from './server/server.ts'

/** What policies and limits say of MCP, under one revision of the rules. */

const nothing = { tokens: 0, nanoUsd: 0 }
const free: Admitted = { headers: [], release: () => undefined }

/** Asks the policies. Where there are none, everything is allowed and nothing is made for them. */
export function judgeOf(governance: Governance): Judge {
  const { policies } = governance
  const allowed = { allowed: true } as const
  if (policies.trivial) return () => allowed
  return (caller: Caller, wanted: Wanted) => {
    const facts = factsOf(
      governance,
      { identity: caller.identity, listener: caller.listener, route: caller.route, id: '', path: '', bytes: 0 },
      wanted.method,
      wanted,
    )
    if (wanted.arguments === undefined)
      return policies.mayAllow(facts) ? allowed : { allowed: false, message: 'The policies hide it.' }
    const verdict = policies.decide(facts)
    return verdict.effect === 'allow' ? allowed : { allowed: false, policy: verdict.policy, message: verdict.message }
  }
}

/**
 * Which calls a human must approve. Where it cannot be told, one must.
 * @throws {ExpressionError}
 */
export function approvalOf(governance: Governance, { servers }: McpRule, compiler: ExpressionCompiler): Approval {
  const conditions = new Map<string, Condition>()
  for (const [name, { approval }] of Object.entries(servers))
    if (approval !== undefined) conditions.set(name, compiler.condition(approval, true))
  return (caller, wanted) =>
    conditions.get(wanted.server)?.(
      factsOf(
        governance,
        { identity: caller.identity, listener: caller.listener, route: caller.route, id: '', path: '', bytes: 0 },
        wanted.method,
        wanted,
      ),
    ) ?? false
}

/**
 * Who may approve calls on a page. Where it cannot be told, nobody.
 * @throws {ExpressionError}
 */
export function approversOf(governance: Governance, { servers }: McpRule, compiler: ExpressionCompiler): Approvers {
  const conditions = new Map<string, Condition>()
  for (const [name, { approvers }] of Object.entries(servers))
    if (approvers !== undefined) conditions.set(name, compiler.condition(approvers, false))
  return (server, identity, listener) => {
    const condition = conditions.get(server)
    if (!condition) return true
    if (!identity) return false
    return condition(
      factsOf(governance, { identity, listener, id: '', path: approvalPath, bytes: 0 }, 'approve', undefined),
    )
  }
}

/** Asks the limits. */
export function admitterOf(governance: Governance): McpContext['admit'] {
  return (incoming, method, tool) => {
    if (!governance.metered(incoming.identity)) return free
    const wanted: Wanted | undefined = tool && {
      server: tool.server,
      method,
      name: tool.name,
      tool: tool.definition,
      arguments: tool.arguments,
    }
    const admission = governance.admit(factsOf(governance, ofRequest(incoming), method, wanted), () => nothing, false)
    return admission instanceof Promise ? admission.then(admittedOf) : admittedOf(admission)
  }
}

/** @throws {McpError} where a limit is used up */
function admittedOf(admission: Admission): Admitted {
  if (admission.type === 'admitted') {
    const { ticket, headers, deadline } = admission
    return {
      headers,
      release: () => ticket.settle(nothing),
      deadline: deadline && { inMs: deadline.inMs, error: notAdmitted(deadline.refusal) },
    }
  }
  // A cheaper model is no answer to a call of a tool: its budget is used up.
  if (admission.type === 'downgrade')
    throw new McpError(429, -32004, `The budget ${admission.budget} is used up.`, {
      reason: 'budget_exceeded',
      rule: `budgets.${admission.budget}`,
    })
  throw notAdmitted(admission)
}

function notAdmitted(refusal: Refusal): McpError {
  const { why, kind, headers, opensInMs } = refusal
  return new McpError(why === 'store' ? 503 : 429, -32004, refusalText(refusal), {
    reason: why === 'store' ? 'limit_store_unavailable' : kind !== 'limit' ? 'budget_exceeded' : 'rate_limit_exceeded',
    rule: rulePath(refusal),
    headers: [
      ...headers,
      ...(Number.isFinite(opensInMs) ? [['retry-after', String(Math.ceil(opensInMs / 1000))] as const] : []),
    ],
    ...(Number.isFinite(opensInMs) && { data: { retryAfterMs: Math.ceil(opensInMs) } }),
  })
}

type Asked = Pick<Incoming, 'identity' | 'listener' | 'route' | 'bytes'> & { id: string; path: string }

function ofRequest({ identity, listener, route, bytes, requestId, endpoint }: Incoming): Asked {
  return { identity, listener, route, bytes, id: requestId, path: endpoint.path }
}

function factsOf(governance: Governance, asked: Asked, method: string, wanted: Wanted | undefined): Facts {
  const facts: Facts = {
    request: {
      id: asked.id,
      method: 'POST',
      path: asked.path,
      listener: asked.listener,
      route: asked.route,
      operation: method,
      stream: false,
      bytes: asked.bytes,
    },
    identity: asked.identity,
    model: '',
    parameters: {},
    ...(wanted && {
      tool: {
        server: wanted.server,
        name: wanted.name,
        arguments: wanted.arguments ?? unknownArguments,
        ...hintsOf(wanted.tool),
      },
    }),
    now: new Date(),
    spent: (budget) => governance.spent(budget, facts),
  }
  return facts
}

/** No member of it can be evaluated, so that what depends on arguments cannot be told. */
const unknownArguments: JsonObject = {}

/** What a server says of its tool; where it says nothing, the specification's defaults (schema: ToolAnnotations). */
function hintsOf(tool: Tool | undefined): { destructive: boolean; readOnly: boolean } {
  const { readOnlyHint = false, destructiveHint = true } = tool?.annotations ?? {}
  return { readOnly: readOnlyHint === true, destructive: readOnlyHint !== true && destructiveHint !== false }
}
