import type { Rules } from '../config/schema.ts'
import type { Identity, IdentityKind } from '../identity/identity.ts'
import { makeIdentity, type Owner } from '../identity/make-identity.ts'
import { compileMeterRules, nanoPerUsd } from '../limits/rules.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import type { Facts } from '../policy/facts.ts'
import { factsOf } from '../policy/facts-of.ts'
import { Policies } from '../policy/policies.ts'

/** One thing that was looked at on the way of a request. */
export interface Step {
  /** The rule's path. */
  readonly rule: string
  /** What it says of the request. */
  readonly says: string
  /** Whether it was this one that refused. */
  readonly refuses?: true
}

/** A request as people describe it: whatever is not said is a plain chat request. */
export interface DescribedRequest {
  readonly model?: string | undefined
  readonly operation?: string | undefined
  readonly listener?: string | undefined
  readonly stream?: boolean | undefined
  readonly bytes?: number | undefined
  readonly kind?: IdentityKind | undefined
  /** Who asks; `models` as of a virtual key. */
  readonly owner?: Owner | undefined
  /** The id of the virtual key. */
  readonly key?: string | undefined
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
  readonly tool?: Facts['tool']
  readonly agent?: Facts['agent']
  /** The share that is used up of budgets. */
  readonly spent?: Readonly<Record<string, number>> | undefined
  readonly now?: Date | undefined
}

/** Every rule's part in a request that is described, in the order in which they are asked. */
export function explainRequest(rules: Rules, request: DescribedRequest): Step[] {
  const steps: Step[] = []
  const asked = request.model ?? ''
  const alias = aliasOf(rules, asked)
  if (alias !== undefined) steps.push({ rule: `aliases.${asked}`, says: `the model is ${alias}` })
  const model = alias ?? asked
  const identity = identityOf(rules, request)
  const facts = describedFacts(request, model, identity)
  // A call of a tool or an agent asks for no model.
  if (!facts.tool && !facts.agent) {
    const found = modelOf(rules, model)
    if (found === undefined)
      steps.push({ rule: 'models', says: `there is no model ${JSON.stringify(model)}`, refuses: true })
    else {
      steps.push({ rule: `models.${found}`, says: servedBy(rules, found, model) })
      steps.push(...rightsSteps(rules, request, model))
    }
  }
  const compiler = new ExpressionCompiler(Object.keys(rules.budgets))
  steps.push(...policySteps(rules, compiler, facts))
  for (const section of ['prompts', 'guards'] as const)
    for (const [name, { when }] of Object.entries(rules[section])) {
      const applies = when === undefined || compiler.condition(when, section === 'guards')(facts)
      steps.push({ rule: `${section}.${name}`, says: applies ? 'applies' : 'does not apply' })
    }
  for (const rule of compileMeterRules(rules.limits, rules.budgets, (source) => compiler.value(source))) {
    const subject = rule.applies(facts) ? rule.subject(facts) : undefined
    if (subject === undefined) {
      steps.push({ rule: rule.path, says: 'does not count this request' })
      continue
    }
    const amount = rule.capacity(subject)
    const capacity = rule.kind === 'usd' ? `${amount / nanoPerUsd} US dollars` : `${amount} ${rule.kind}`
    const period = rule.period === 'now' ? 'moment' : rule.period
    steps.push({ rule: rule.path, says: `${capacity} a ${period}, counted for ${subject || 'everyone'}` })
  }
  return steps
}

/** @returns the model that an alias means; undefined: it is none */
export function aliasOf({ aliases }: Rules, asked: string): string | undefined {
  return Object.hasOwn(aliases, asked) ? aliases[asked] : undefined
}

/** @returns the name in the rules that a model is served under: its own, or the longest pattern */
export function modelOf({ models }: Rules, model: string): string | undefined {
  return Object.keys(models)
    .filter((name) => (name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model))
    .sort((a, b) => Number(a.endsWith('*')) - Number(b.endsWith('*')) || b.length - a.length)[0]
}

export function servedBy({ models }: Rules, name: string, model: string): string {
  return `served by ${models[name]!.targets.map((target) => `${target.provider}/${target.model ?? model}`).join(', ')}`
}

/** What the key and the team say of a model, each by itself. */
function rightsSteps(rules: Rules, { owner = {}, key, kind = 'key' }: DescribedRequest, model: string): Step[] {
  const { team, ...own } = owner
  const sides = [
    { rule: `keys.${key ?? ''}`, lists: own.models, identity: makeIdentity(kind, 'described', own, {}) },
    {
      rule: `teams.${team}.models`,
      lists: team !== undefined && Object.hasOwn(rules.teams, team) ? rules.teams[team]!.models : undefined,
      identity: makeIdentity(kind, 'described', { team }, rules.teams),
    },
  ]
  return sides.flatMap(({ rule, lists, identity }) => {
    if (lists === undefined) return []
    const may = identity.mayUseModel(model)
    return [{ rule, says: `${model} is ${may ? '' : 'not '}among its models`, ...(!may && { refuses: true as const }) }]
  })
}

function policySteps({ policies }: Rules, compiler: ExpressionCompiler, facts: Facts): Step[] {
  const { verdict, steps } = new Policies(policies, compiler).explain(facts)
  const told: Step[] = steps.map(({ policy, effect, applies, decided }) => ({
    rule: `policies.rules.${policy}`,
    says: applies ? `applies: ${effect}${decided ? ', and decides' : ''}` : 'does not apply',
    ...(decided && effect === 'deny' && { refuses: true as const }),
  }))
  if (verdict.policy === undefined)
    told.push({
      rule: 'policies.default',
      says: verdict.effect,
      ...(verdict.effect === 'deny' && { refuses: true as const }),
    })
  return told
}

function identityOf({ teams }: Rules, { owner = {}, kind = 'key', key, claims }: DescribedRequest): Identity {
  return makeIdentity(kind, key ?? owner.user ?? 'described', owner, teams, {
    ...(key !== undefined && { key }),
    ...(claims && { claims }),
  })
}

function describedFacts(request: DescribedRequest, model: string, identity: Identity): Facts {
  const { operation, listener, stream, bytes, parameters, tool, agent, now, spent } = request
  return factsOf({
    identity,
    model,
    now,
    tool,
    agent,
    request: {
      ...(operation !== undefined && { operation }),
      ...(listener !== undefined && { listener }),
      ...(stream !== undefined && { stream }),
      ...(bytes !== undefined && { bytes }),
    },
    parameters: { ...parameters },
    spent: { ...spent },
  })
}
