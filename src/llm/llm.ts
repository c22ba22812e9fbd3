import type { Governance } from '../governance/governance.ts'
import type { GuardSession } from '../guards/guards.ts'
import type { Identity, Unidentified } from '../identity/identity.ts'
import type { Admission } from '../limits/admission.ts'
import type { Facts } from '../policy/facts.ts'
import type { AgentRequest, Decision, LocalAnswer, Protocol } from '../protocol.ts'
import type { Caller, RefusalRecord } from '../telemetry/record.ts'
import { chooseFirst } from './balance.ts'
import { type ClientRequest, modelName, ParsedRequest, readBody, wantsStream } from './client-request.ts'
import type { Lineup, LlmRules, Model } from './compile.ts'
import type { JsonObject } from './conversation.ts'
import type { ClientFormat } from './dialects/index.ts'
import { type Call, type Endpoint, endpointOf } from './endpoints.ts'
import { ApiError } from './errors.ts'
import { estimateOf } from './estimate.ts'
import { guardRequest } from './guarded.ts'
import { localError } from './local.ts'
import { modelList, oneModel } from './models.ts'
import { type Outgoing, writeOutgoing } from './outgoing.ts'
import { type Governed, type LlmContext, LlmPlan } from './plan.ts'
import { notAdmitted, notAllowed, notIdentified } from './refusals.ts'

type Maybe<T> = T | Promise<T>

/** Goes on with a value that may still have to come, without a detour where it is there. */
function then<T, R>(value: Maybe<T>, next: (value: T) => Maybe<R>): Maybe<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** What is known of a call so far, for the record of a refusal. */
interface Trail {
  /** The model's name as the client wrote it. */
  asked?: string
  /** The rules that had a part in it. */
  readonly rules: string[]
  session?: GuardSession | undefined
}

/** A call whose caller is known, on its way to a plan. */
interface Ask {
  readonly request: AgentRequest
  readonly call: Call
  readonly caller: Caller
  readonly identity: Identity
  readonly json: JsonObject
  /** The model's name as the client wrote it. */
  readonly asked: string
  readonly trail: Trail
}

/** The LLM APIs under one set of rules. */
export class LlmProtocol implements Protocol {
  readonly #rules: LlmRules
  readonly #governance: Governance
  readonly #context: LlmContext

  constructor(rules: LlmRules, governance: Governance, context: LlmContext) {
    this.#rules = rules
    this.#governance = governance
    this.#context = context
  }

  decide(request: AgentRequest): Maybe<Decision> {
    const endpoint = endpointOf(request.method, request.path, request.headers.has('anthropic-version'))
    const listener = this.#governance.listenerOf(request.port)
    return then(this.#governance.identify(listener, request.headers), (identity) =>
      this.#identified(request, endpoint, listener, identity),
    )
  }

  #identified(
    request: AgentRequest,
    endpoint: Endpoint,
    listener: string,
    identity: Identity | Unidentified,
  ): Maybe<Decision> {
    const operation = endpoint.type === 'call' ? endpoint.operation : endpoint.type
    if ('status' in identity) {
      if (identity.cause !== undefined) this.#context.report(identity.cause, request.id)
      return this.#refuse(request, endpoint.format, notIdentified(identity), { operation, listener, identity: 'none' })
    }
    return this.#known(request, endpoint, operation, callerOf(identity, listener), within(identity, request.models))
  }

  #known(
    request: AgentRequest,
    endpoint: Endpoint,
    operation: string,
    caller: Caller,
    identity: Identity,
  ): Maybe<Decision> {
    switch (endpoint.type) {
      case 'call': {
        const trail: Trail = { rules: [] }
        const refused = (error: unknown): Decision => {
          if (!(error instanceof ApiError)) throw error
          const rules = [...trail.rules, ...(trail.session?.findings ?? [])]
          const { asked: requestModel } = trail
          return this.#refuse(request, endpoint.format, error, { operation, ...caller, requestModel, rules })
        }
        try {
          const decision = this.#call(request, endpoint, caller, identity, trail)
          return decision instanceof Promise ? decision.catch(refused) : decision
        } catch (error) {
          return refused(error)
        }
      }
      case 'models':
        return { type: 'answer', answer: this.#models(request, endpoint, identity) }
      case 'refused': {
        const decision = this.#refuse(request, endpoint.format, endpoint.error, { operation, ...caller })
        if (endpoint.allowed !== undefined) decision.answer.headers.push(['allow', endpoint.allowed])
        return decision
      }
    }
  }

  #models(request: AgentRequest, { name, format }: Endpoint & { type: 'models' }, identity: Identity): LocalAnswer {
    const may = (model: string) => identity.mayUseModel(model)
    if (name === undefined) return modelList(this.#rules, format, may)
    const meant = this.#rules.alias(name)
    if (this.#rules.model(meant) && may(meant)) return oneModel(this.#rules, name, format)
    return localError(format, unknownModel(name, format), request.id)
  }

  #call(request: AgentRequest, call: Call, caller: Caller, identity: Identity, trail: Trail): Maybe<Decision> {
    const json = readBody(request)
    const asked = modelName(call, json)
    trail.asked = asked
    const ask: Ask = { request, call, caller, identity, json, asked, trail }
    const name = this.#rules.alias(asked)
    const model = this.#model(ask, name)
    const governance = this.#governance
    if (governance.idle(identity) && this.#rules.prompts.empty)
      return this.#plan(ask, new ParsedRequest(call, name, request, json, json, identity), model)
    const facts = factsOf(ask, name, governance)
    const verdict = governance.policies.decide(facts)
    if (verdict.effect === 'deny') throw notAllowed(verdict)
    if (verdict.policy !== undefined) trail.rules.push(`policies.rules.${verdict.policy}`)
    const decorated = this.#rules.prompts.apply(call.format, json, facts, trail.rules)
    const session = governance.guards.session(facts)
    trail.session = session
    const guarded = session ? guardRequest(session, call.format, decorated) : decorated
    return then(guarded, (edited) => this.#admit(ask, edited, session, facts, model))
  }

  #admit(
    ask: Ask,
    json: JsonObject,
    session: GuardSession | undefined,
    facts: Facts,
    model: Model,
    downgraded?: string,
  ): Maybe<Decision> {
    const { request, call } = ask
    const client = new ParsedRequest(call, facts.model, request, ask.json, json, ask.identity)
    if (!this.#governance.metered(ask.identity))
      return this.#plan(ask, client, model, { session, rules: ask.trail.rules })
    const admission = this.#governance.admit(
      facts,
      () => estimateOf(client, model, this.#context),
      downgraded === undefined,
    )
    return then(admission, (outcome: Admission) => {
      switch (outcome.type) {
        case 'admitted': {
          const { ticket, headers } = outcome
          const deadline = outcome.deadline && {
            endsAt: performance.now() + outcome.deadline.inMs,
            error: notAdmitted(outcome.deadline.refusal),
          }
          try {
            const { rules } = ask.trail
            return this.#plan(ask, client, model, { session, ticket, headers, deadline, downgraded, rules })
          } catch (error) {
            ticket.settle({ tokens: 0, nanoUsd: 0 })
            throw error
          }
        }
        case 'refused':
          throw notAdmitted(outcome)
        case 'downgrade': {
          const cheaper = this.#model(ask, outcome.model)
          const changed: Facts = { ...facts, model: outcome.model }
          return this.#admit(ask, json, session, changed, cheaper, outcome.budget)
        }
      }
    })
  }

  /** @throws {ApiError} where there is no such model, or it is not for this caller */
  #model({ call, identity }: Ask, name: string): Model {
    const model = this.#rules.model(name)
    if (!model) throw unknownModel(name, call.format)
    if (!identity.mayUseModel(name))
      throw new ApiError(
        403,
        'permission_error',
        `The model ${JSON.stringify(shorten(name))} is not among those you may use here. GET ${listOf(call.format)} lists them.`,
        { code: 'model_not_allowed', param: 'model' },
      )
    return model
  }

  #plan({ request, caller, asked }: Ask, client: ClientRequest, model: Model, governed: Governed = {}): Decision {
    const lineup = model.lineup(client.operation)
    if (!lineup)
      throw new ApiError(
        400,
        'invalid_request_error',
        `No provider of the model ${shorten(client.model)} serves ${request.path.slice(0, 200)}. Choose another model.`,
        { code: 'unsupported_operation', param: 'model' },
      )
    const [group, member] = chooseFirst(lineup.groups, request.arrived)
    const { order, first } = writeFirst(client, lineup, group, member)
    const plan = new LlmPlan({
      id: request.id,
      request: client,
      asked,
      caller,
      model,
      order,
      first,
      context: this.#context,
      arrived: request.arrived,
      traceparent: request.headers.get('traceparent'),
      governed,
    })
    return { type: 'plan', plan }
  }

  #refuse(
    request: AgentRequest,
    format: ClientFormat,
    error: ApiError,
    what: Omit<RefusalRecord, 'requestId' | 'status' | 'code' | 'rule'>,
  ): Decision & { type: 'answer' } {
    this.#context.refused({
      ...what,
      requestId: request.id,
      status: error.status,
      code: error.code ?? error.type,
      rule: error.rule,
      durationMs: performance.now() - request.arrived,
      traceparent: request.headers.get('traceparent'),
      revision: this.#context.revision,
    })
    return { type: 'answer', answer: localError(format, error, request.id) }
  }
}

/** The same caller where only some models are. */
function within(identity: Identity, models: ReadonlySet<string> | undefined): Identity {
  if (!models) return identity
  return Object.create(identity, {
    mayUseModel: { value: (model: string) => models.has(model) && identity.mayUseModel(model) },
  }) as Identity
}

function callerOf(identity: Identity, listener: string): Caller {
  const { kind, subject, user, team, organization, key, delegation } = identity
  return { identity: kind, subject, user, team, organization, key, listener, work: delegation }
}

function factsOf({ request, call, caller, identity, json }: Ask, model: string, governance: Governance): Facts {
  const mark = request.path.indexOf('?')
  const facts: Facts = {
    request: {
      id: request.id,
      method: request.method,
      path: mark === -1 ? request.path : request.path.slice(0, mark),
      listener: caller.listener,
      route: request.route,
      operation: call.operation,
      stream: wantsStream(call, json),
      bytes: request.body.length,
    },
    identity,
    model,
    parameters: json,
    now: new Date(),
    spent: (budget) => governance.spent(budget, facts),
  }
  return facts
}

const shorten = (name: string) => (name.length > 100 ? `${name.slice(0, 100)}…` : name)
const listOf = (format: ClientFormat) => (format === 'gemini' ? '/v1beta/models' : '/v1/models')

function unknownModel(name: string, format: ClientFormat): ApiError {
  return new ApiError(
    404,
    'not_found_error',
    `There is no model ${JSON.stringify(shorten(name))} here. GET ${listOf(format)} lists the names you can use.`,
    { code: 'model_not_found', param: 'model' },
  )
}

type Order = Lineup['orders'][number][number]

/**
 * Writes the request for its first target: now, so that what it cannot express is refused before anything is sent.
 * Where the first choice cannot express it another may, in the order of the rules.
 * @throws {ApiError} the first choice's refusal, where no target can
 */
function writeFirst(
  client: ClientRequest,
  lineup: Lineup,
  group: number,
  member: number,
): { order: Order; first: Outgoing } {
  const chosen = lineup.orders[group]![member]!
  try {
    return write(client, chosen)
  } catch (refusal) {
    if (!(refusal instanceof ApiError)) throw refusal
    for (const order of lineup.orders.flat()) {
      if (order === chosen) continue
      try {
        return write(client, order)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
      }
    }
    throw refusal
  }
}

function write(client: ClientRequest, order: Order): { order: Order; first: Outgoing } {
  const { provider, model } = order.targets[0]!
  return { order, first: writeOutgoing(client, provider, model ?? client.model) }
}
