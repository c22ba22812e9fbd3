import { type Rules, rulesSchema } from '../config/schema.ts'
import { Governance } from '../governance/governance.ts'
import type { Identity, Unidentified } from '../identity/identity.ts'
import type { Admission, Use } from '../limits/admission.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import { Policies } from '../policy/policies.ts'
import type { AgentRequest, Decision, Plan } from '../protocol.ts'
import type { RefusalRecord, RequestRecord } from '../telemetry/record.ts'
import { HealthBook } from './balance.ts'
import { type ClientRequest, modelName, ParsedRequest, readBody } from './client-request.ts'
import { compileLlm, type LlmRules } from './compile.ts'
import type { JsonObject } from './conversation.ts'
import { endpointOf } from './endpoints.ts'
import { LlmProtocol } from './llm.ts'
import type { LlmContext } from './plan.ts'
import { createProvider } from './providers/index.ts'
import type { Provider, Secrets } from './providers/provider.ts'

/** Helpers that the tests of this folder share. */

/** Secrets whose value tells which reference was resolved: `${env:KEY}` is `secret-KEY`. */
export const secrets: Secrets = { resolve: (reference) => `secret-${/env:(\w+)/.exec(reference)?.[1]}` }

/** The parts of the rules that these tests vary. */
export type RulesText = { providers?: object; models?: object; aliases?: object; prompts?: object; policies?: object }

/** Rules as the schema fills them in. */
export function rulesOf(rules: RulesText): Rules {
  return rulesSchema.parse({ providers: {}, models: {}, ...rules })
}

/** A provider of the name `p`, from its rule. */
export function providerOf(rule: { type: string } & JsonObject): Provider {
  return createProvider('p', rulesOf({ providers: { p: rule } }).providers.p!, secrets)
}

/** A POST as it reaches stage 1. */
export function agentRequest(
  path: string,
  body: JsonObject | string,
  headers: Record<string, string> = {},
): AgentRequest {
  return {
    id: '01234567-89ab-cdef-0123-456789abcdef',
    method: 'POST',
    path,
    headers: new Map(Object.entries(headers)),
    port: 0,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    arrived: performance.now(),
  }
}

/** A client's call, read. A text as body stands as it is. */
export function clientRequest(
  path: string,
  body: JsonObject | string,
  headers?: Record<string, string>,
): ClientRequest {
  const request = agentRequest(path, body, headers)
  const call = endpointOf('POST', path, false)
  if (call.type !== 'call') throw new Error(`${path} is no call`)
  const json = readBody(request)
  return new ParsedRequest(call, modelName(call, json), request, json)
}

/** Rules, compiled. */
export function compiled(rules: RulesText, book = new HealthBook()): LlmRules {
  return compileLlm(rulesOf(rules), secrets, book, new ExpressionCompiler())
}

/** Somebody who may use every model. */
export const anyone: Identity = {
  kind: 'anonymous',
  subject: 'anonymous',
  claims: {},
  mayUseModel: () => true,
  mayUseServer: () => true,
}

/** The LLM APIs under some rules, with all they tell the world. */
export class Bench {
  readonly book = new HealthBook()
  readonly records: RequestRecord[] = []
  readonly refusals: RefusalRecord[] = []
  readonly reports: unknown[] = []
  readonly rules: LlmRules
  readonly #protocol: LlmProtocol

  constructor(
    text: RulesText,
    options: {
      identity?: Identity | Unidentified | Promise<Identity | Unidentified>
      cost?: LlmContext['cost']
      admit?: (model: string, estimate: Use, mayDowngrade: boolean) => Admission | Promise<Admission>
    } = {},
  ) {
    const rules = rulesOf(text)
    const { admit } = options
    this.rules = compiled(text, this.book)
    const governance = new Governance(rules, {
      identifier: { identify: () => options.identity ?? anyone },
      policies: new Policies(rules.policies, new ExpressionCompiler()),
      metering: {
        metered: admit !== undefined,
        admit: ({ model }, estimate, mayDowngrade) => admit!(model, estimate(), mayDowngrade),
        spent: () => 0,
      },
      guards: { empty: true, session: () => undefined },
    })
    this.#protocol = new LlmProtocol(this.rules, governance, {
      finished: (record) => void this.records.push(record),
      refused: (record) => void this.refusals.push(record),
      report: (error) => void this.reports.push(error),
      cost: options.cost ?? (() => undefined),
    })
  }

  decide(request: AgentRequest): Decision | Promise<Decision> {
    return this.#protocol.decide(request)
  }

  /** @throws {Error} where the request gets an answer at once */
  async plan(path: string, body: JsonObject | string, headers?: Record<string, string>): Promise<Plan> {
    const decision = await this.decide(agentRequest(path, body, headers))
    if (decision.type === 'plan') return decision.plan
    throw new Error(decision.type === 'answer' ? `answered with ${decision.answer.body}` : 'the service answers itself')
  }

  /** The id of a provider's upstream. */
  upstream(provider: string): string {
    return this.rules.topology.upstreams.find(({ id }) => id.startsWith(`upstream/${provider}@`))!.id
  }

  /** Attempts under way at all targets. */
  get inFlight(): number {
    return [...this.book.entries()].reduce((sum, [, health]) => sum + health.inFlight, 0)
  }
}
