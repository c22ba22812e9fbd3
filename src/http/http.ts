import type { Governance } from '../governance/governance.ts'
import type { Identity, Unidentified } from '../identity/identity.ts'
import type { Admission, Refusal, Use } from '../limits/admission.ts'
import { refusalText, rulePath } from '../limits/refusal-text.ts'
import type { Facts } from '../policy/facts.ts'
import type { AgentRequest, Decision, LocalAnswer, Protocol } from '../protocol.ts'

type Maybe<T> = T | Promise<T>

function then<T, R>(value: Maybe<T>, next: (value: T) => R): Maybe<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Tell the service who asks. They are set, or taken off: a client cannot say them. */
const userHeader = 'x-chaperone-user'
const teamHeader = 'x-chaperone-team'
const keyHeader = 'x-chaperone-key'

/** Where a key of ours may stand beside its own header. */
const keyHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key']

const nothing: Use = { tokens: 0, nanoUsd: 0 }

/**
 * Governed routes of plain HTTP: the listener's identities, the policies, limits and budgets hold, and Envoy does all else. What
 * counts is that a request comes, and what its route says that it costs: the service does not see its end, so that limits of tokens and
 * of what is under way have nothing to count here.
 */
export class HttpProtocol implements Protocol {
  readonly #governance: Governance
  /** What a request costs, by the names of routes that say so. */
  readonly #costs: ReadonlyMap<string, Use>

  /** @param routes the routes of the rules */
  constructor(
    governance: Governance,
    routes: readonly { readonly name: string; readonly costUsd?: number | undefined }[],
  ) {
    this.#governance = governance
    this.#costs = new Map(
      routes.flatMap(({ name, costUsd }) =>
        costUsd === undefined ? [] : [[name, { tokens: 0, nanoUsd: Math.round(costUsd * 1e9) }]],
      ),
    )
  }

  decide(request: AgentRequest): Maybe<Decision> {
    const listener = this.#governance.listenerOf(request.port)
    const identified = this.#governance.identify(listener, request.headers)
    return identified instanceof Promise
      ? identified.then((identity) => this.#identified(request, listener, identity))
      : this.#identified(request, listener, identified)
  }

  #identified(request: AgentRequest, listener: string, identity: Identity | Unidentified): Maybe<Decision> {
    if ('status' in identity) {
      const { status, code, message } = identity
      return refused(request, status, code, message, undefined, status === 401 ? [['www-authenticate', 'Bearer']] : [])
    }
    const governance = this.#governance
    if (governance.policies.trivial && !governance.metered(identity)) return passed(request, identity)
    const facts = factsOf(request, listener, identity, governance)
    const verdict = governance.policies.decide(facts)
    if (verdict.effect === 'deny') {
      const { policy, message } = verdict
      const text =
        policy === undefined ? message : `The policy ${policy} of this gateway denies this request. ${message}`
      return refused(
        request,
        403,
        'policy_denied',
        text,
        policy === undefined ? 'policies.default' : `policies.rules.${policy}`,
      )
    }
    if (!governance.metered(identity)) return passed(request, identity)
    const cost = this.#costs.get(request.route ?? '') ?? nothing
    return then(
      governance.admit(facts, () => cost, false),
      (admission) => admitted(request, identity, admission, cost),
    )
  }
}

function admitted(request: AgentRequest, identity: Identity, admission: Admission, cost: Use): Decision {
  if (admission.type === 'admitted') {
    admission.ticket.settle(cost)
    return passed(request, identity)
  }
  if (admission.type === 'downgrade') {
    const { budget } = admission
    return refused(request, 402, 'budget_exceeded', `The budget ${budget} is used up.`, `budgets.${budget}`)
  }
  return notAdmitted(request, admission)
}

function notAdmitted(request: AgentRequest, refusal: Refusal): Decision {
  const { why, kind, headers, opensInMs } = refusal
  const budget = kind !== 'limit' && why === 'used_up'
  const code =
    why === 'store' ? 'limit_store_unavailable' : kind !== 'limit' ? 'budget_exceeded' : 'rate_limit_exceeded'
  return refused(request, why === 'store' ? 503 : budget ? 402 : 429, code, refusalText(refusal), rulePath(refusal), [
    ...headers,
    ...(Number.isFinite(opensInMs) && !budget ? [['retry-after', String(Math.ceil(opensInMs / 1000))] as const] : []),
  ])
}

/** Lets a request go on. A key of the gateway's own, or a token for it, is no business of the service's. */
function passed({ headers }: AgentRequest, { kind, user, team }: Identity): Decision {
  const set: [string, string][] = []
  const remove = [keyHeader]
  if (kind === 'key' && !headers.has(keyHeader)) remove.push(...keyHeaders)
  if (kind === 'jwt' && !headers.has(keyHeader)) remove.push('authorization')
  for (const [name, value] of [
    [userHeader, user],
    [teamHeader, team],
  ] as const)
    if (value === undefined || !visible.test(value)) remove.push(name)
    else set.push([name, value])
  return { type: 'pass', set, remove }
}

/** What may stand in a header. */
const visible = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** An answer in the form of Envoy's own on routes of plain HTTP. */
function refused(
  request: AgentRequest,
  status: number,
  code: string,
  message: string,
  rule: string | undefined,
  headers: readonly (readonly [string, string])[] = [],
): Decision {
  const answer: LocalAnswer = {
    status,
    headers: [['content-type', 'application/json'], ...headers.map(([name, value]): [string, string] => [name, value])],
    body: JSON.stringify({
      error: { status, code, message, rule: rule ?? `http/${request.route}` },
      request_id: request.id,
    }),
  }
  return { type: 'answer', answer }
}

function factsOf(request: AgentRequest, listener: string, identity: Identity, governance: Governance): Facts {
  const mark = request.path.indexOf('?')
  const facts: Facts = {
    request: {
      id: request.id,
      method: request.method,
      path: mark === -1 ? request.path : request.path.slice(0, mark),
      listener,
      route: request.route,
      operation: `http/${request.route}`,
      stream: false,
      bytes: Number(request.headers.get('content-length') ?? 0) || 0,
    },
    identity,
    model: '',
    parameters: {},
    now: new Date(),
    spent: (budget) => governance.spent(budget, facts),
  }
  return facts
}
