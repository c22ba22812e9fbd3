import type { Governance } from '../governance/governance.ts'
import type { GuardSession } from '../guards/guards.ts'
import type { Admission, Refusal } from '../limits/admission.ts'
import { refusalText, rulePath } from '../limits/refusal-text.ts'
import type { Facts } from '../policy/facts.ts'
import { A2aError } from './errors.ts'
import type { Asker } from './front/account.ts'
import { type A2aOperation, isStreaming, methodName } from './operations.ts'

/** What policies and limits say of calls of agents, under one revision of the rules. */

/** One call, as policies see it. */
export interface Wanted {
  readonly agent: string
  readonly operation: A2aOperation
  /** Empty where the call names none. */
  readonly skill: string
  /** How many delegations lie before it. */
  readonly depth: number
  /** The agent that calls, by its name in the rules. */
  readonly from: string | undefined
}

/** What a call takes of the limits; it must be given back. */
export interface Admitted {
  readonly headers: readonly (readonly [string, string])[]
  /** When the time of the tree is over, and what the caller is told then. */
  readonly deadline?: { readonly inMs: number; readonly error: A2aError } | undefined
  release(): void
}

/** Who may ask what of agents. */
export interface Governor {
  /** @throws {A2aError} where a policy forbids it */
  judge(asker: Asker, wanted: Wanted): void
  /** Whether a caller may come to be allowed to: what it may not is not shown to it. */
  maySee(asker: Asker, wanted: Wanted): boolean
  /** Takes of the limits. @throws {A2aError} where one is used up */
  admit(asker: Asker, wanted: Wanted): Admitted | Promise<Admitted>
  /** Who looks at what is said; undefined: nobody. */
  guards(asker: Asker, wanted: Wanted): GuardSession | undefined
  /** What expressions are asked of. */
  facts(asker: Asker, wanted: Wanted): Facts
}

const nothing = { tokens: 0, nanoUsd: 0 }
const free: Admitted = { headers: [], release: () => undefined }

export function governorOf(governance: Governance): Governor {
  const { policies } = governance
  const facts = (asker: Asker, wanted: Wanted) => factsOf(governance, asker, wanted)
  return {
    facts,
    judge(asker, wanted) {
      if (policies.trivial) return
      const verdict = policies.decide(facts(asker, wanted))
      if (verdict.effect === 'allow') return
      throw new A2aError('permissionDenied', verdict.message, {
        rule: verdict.policy === undefined ? 'policies.default' : `policies.rules.${verdict.policy}`,
      })
    },
    guards: (asker, wanted) => (governance.guards.empty ? undefined : governance.guards.session(facts(asker, wanted))),
    maySee: (asker, wanted) => policies.trivial || policies.mayAllow(facts(asker, wanted)),
    admit(asker, wanted) {
      if (!governance.metered(asker.identity)) return free
      const admission = governance.admit(facts(asker, wanted), () => nothing, false)
      return admission instanceof Promise ? admission.then(admittedOf) : admittedOf(admission)
    },
  }
}

/** @throws {A2aError} where a limit is used up */
function admittedOf(admission: Admission): Admitted {
  if (admission.type === 'admitted') {
    const { ticket, headers, deadline } = admission
    return {
      headers,
      release: () => ticket.settle(nothing),
      deadline: deadline && { inMs: deadline.inMs, error: notAdmitted(deadline.refusal) },
    }
  }
  // A cheaper model is no answer to a call of an agent: its budget is used up.
  if (admission.type === 'downgrade')
    throw new A2aError('budgetExhausted', `The budget ${admission.budget} is used up.`, {
      rule: `budgets.${admission.budget}`,
    })
  throw notAdmitted(admission)
}

function notAdmitted(refusal: Refusal): A2aError {
  const { why, kind, headers, opensInMs } = refusal
  const waits: [string, string][] = Number.isFinite(opensInMs)
    ? [['retry-after', String(Math.ceil(opensInMs / 1000))]]
    : []
  const what = why === 'store' ? 'unavailable' : kind !== 'limit' ? 'budgetExhausted' : 'rateLimited'
  return new A2aError(what, refusalText(refusal), { rule: rulePath(refusal), headers: [...headers, ...waits] })
}

function factsOf(governance: Governance, asker: Asker, { agent, operation, skill, depth, from }: Wanted): Facts {
  const facts: Facts = {
    request: {
      id: asker.requestId,
      method: 'POST',
      path: asker.path,
      listener: asker.listener,
      route: asker.route,
      operation: methodName(operation, 'jsonrpc', '1.0') ?? operation,
      stream: isStreaming(operation),
      bytes: asker.bytes,
    },
    identity: asker.identity,
    model: '',
    parameters: {},
    agent: { name: agent, skill, depth, from },
    now: new Date(),
    spent: (budget) => governance.spent(budget, facts),
  }
  return facts
}

/** Tells who a request comes from. What it was delegated is looked at with the call. */
export type Gate = Pick<Governance, 'listenerOf' | 'authenticate'>
