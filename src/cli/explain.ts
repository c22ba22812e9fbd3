import type { Rules } from '../config/schema.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import { compileMeterRules } from '../limits/rules.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import type { Facts } from '../policy/facts.ts'
import { factsOf } from '../policy/facts-of.ts'
import { Policies } from '../policy/policies.ts'
import { validateRuleFiles } from '../rule-check.ts'
import { connectRedis } from '../store/redis-client.ts'
import { RedisRuleStore } from '../store/redis-rule-store.ts'
import { StoreError } from '../store/rule-store.ts'
import type { DecisionEntry } from '../usage/entry.ts'
import { RedisBooks } from '../usage/redis-books.ts'
import { RulesError, readRules, reason, rulesIn } from './rules.ts'

export interface ExplainOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  /** Rules, where they are not to be the store's. */
  file?: string
  model?: string
  operation?: string
  listener?: string
  user?: string
  team?: string
  organization?: string
  /** `name=value`, the value as JSON or text. */
  param?: string[]
  /** ISO 8601. */
  now?: string
  output: 'text' | 'json'
}

/** One thing that was looked at on the way of a request. */
export interface Step {
  /** The rule's path. */
  rule: string
  /** What it says of the request. */
  says: string
  /** Whether it was this one that refused. */
  refuses?: true
}

/**
 * `chaperone explain`: what the rules say of a request, step by step; or what was decided about one.
 * @param requestId of the decisions that are kept in Redis; absent: the request is described by the options
 * @returns the exit code: 0 for one that is let in, 2 for one that is refused, 1 where nothing can be said
 */
export async function explain(
  requestId: string | undefined,
  options: ExplainOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  try {
    if (requestId !== undefined) {
      const decision = await decisionOf(requestId, options)
      write(options.output === 'json' ? `${JSON.stringify(decision, null, 2)}\n` : decisionText(decision))
      return decision.status < 400 ? 0 : 2
    }
    const steps = explainRequest(await rulesOf(options), options)
    const refused = steps.find(({ refuses }) => refuses)
    if (options.output === 'json') write(`${JSON.stringify({ allowed: !refused, steps }, null, 2)}\n`)
    else write(`${steps.map(stepText).join('')}\n${refused ? `refused by ${refused.rule}` : 'let in'}\n`)
    return refused ? 2 : 0
  } catch (error) {
    if (!(error instanceof RulesError) && !(error instanceof StoreError) && !(error instanceof RangeError)) throw error
    process.stderr.write(`${reason(error)}\n`)
    return 1
  }
}

/** Every rule's part in a request that is described, in the order in which they are asked. */
export function explainRequest(rules: Rules, options: Omit<ExplainOptions, 'tenant' | 'output'>): Step[] {
  const steps: Step[] = []
  const asked = options.model ?? ''
  const alias = Object.hasOwn(rules.aliases, asked) ? rules.aliases[asked]! : undefined
  if (alias !== undefined) steps.push({ rule: `aliases.${asked}`, says: `the model is ${alias}` })
  const model = alias ?? asked
  const facts = describedFacts(rules, model, options)
  const { identity } = facts
  const found = Object.keys(rules.models)
    .filter((name) => (name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model))
    .sort((a, b) => Number(a.endsWith('*')) - Number(b.endsWith('*')) || b.length - a.length)[0]
  if (found === undefined)
    steps.push({ rule: 'models', says: `there is no model ${JSON.stringify(model)}`, refuses: true })
  else {
    const targets = rules.models[found]!.targets.map(({ provider, model: name }) => `${provider}/${name ?? model}`)
    steps.push({ rule: `models.${found}`, says: `served by ${targets.join(', ')}` })
    const team = identity.team
    if (!identity.mayUseModel(model))
      steps.push({ rule: `teams.${team}.models`, says: `${model} is not among its models`, refuses: true })
  }
  const compiler = new ExpressionCompiler(Object.keys(rules.budgets))
  const { verdict, steps: policies } = new Policies(rules.policies, compiler).explain(facts)
  for (const { policy, effect, applies, decided } of policies)
    steps.push({
      rule: `policies.rules.${policy}`,
      says: applies ? `applies: ${effect}${decided ? ', and decides' : ''}` : 'does not apply',
      ...(decided && effect === 'deny' && { refuses: true as const }),
    })
  if (verdict.policy === undefined)
    steps.push({
      rule: 'policies.default',
      says: verdict.effect,
      ...(verdict.effect === 'deny' && { refuses: true as const }),
    })
  for (const section of ['prompts', 'guards'] as const)
    for (const [name, { when }] of Object.entries(rules[section]))
      if (when === undefined || compiler.condition(when, true)(facts))
        steps.push({ rule: `${section}.${name}`, says: 'applies' })
  for (const rule of compileMeterRules(rules.limits, rules.budgets, (source) => compiler.value(source))) {
    const path = `${rule.section}s.${rule.name}`
    const subject = rule.applies(facts) ? rule.subject(facts) : undefined
    if (subject === undefined) steps.push({ rule: path, says: 'does not count this request' })
    else {
      const capacity =
        rule.kind === 'usd'
          ? `${rule.capacity(subject) / 1_000_000_000} US dollars`
          : `${rule.capacity(subject)} ${rule.kind}`
      steps.push({
        rule: path,
        says: `${capacity} a ${rule.period === 'now' ? 'moment' : rule.period}, counted for ${subject || 'everyone'}`,
      })
    }
  }
  return steps
}

function describedFacts(rules: Rules, model: string, options: Omit<ExplainOptions, 'tenant' | 'output'>): Facts {
  const { user, team, organization, operation, listener, now, param = [] } = options
  const owner = { user, team, organization }
  const identity = makeIdentity('key', 'described', owner, rules.teams)
  const when = now === undefined ? new Date() : new Date(now)
  if (Number.isNaN(when.getTime())) throw new RangeError('--now must be a time such as 2026-11-23T20:00:00Z.')
  return factsOf({
    identity,
    model,
    now: when,
    request: {
      ...(operation !== undefined && { operation }),
      ...(listener !== undefined && { listener }),
    },
    parameters: Object.fromEntries(param.map(readParameter)),
  })
}

function readParameter(text: string): [string, unknown] {
  const mark = text.indexOf('=')
  if (mark < 1) throw new RangeError('--param is written NAME=VALUE.')
  const value = text.slice(mark + 1)
  try {
    return [text.slice(0, mark), JSON.parse(value)]
  } catch {
    return [text.slice(0, mark), value]
  }
}

async function rulesOf({ file, store, tenant }: ExplainOptions): Promise<Rules> {
  if (file !== undefined) return readRules(file).rules
  if (store === undefined) return readRules('chaperone.yaml').rules
  const client = connectRedis(store, () => undefined)
  try {
    const rules = new RedisRuleStore(client, tenant, validateRuleFiles)
    const head = await rules.head()
    const revision = head && (await rules.revision(head.number))
    if (!revision) throw new StoreError('Nothing was published yet.')
    return rulesIn(revision.files).rules
  } finally {
    client.disconnect()
  }
}

async function decisionOf(requestId: string, { store, tenant }: ExplainOptions): Promise<DecisionEntry> {
  if (store === undefined)
    throw new RulesError('Decisions are kept in Redis: say which with --store, or in CHAPERONE_STORE.')
  const client = connectRedis(store, () => undefined)
  try {
    const decision = await new RedisBooks(client, tenant).decision(requestId).catch((cause) => {
      throw new StoreError('Redis cannot be used', { cause })
    })
    if (!decision) throw new RulesError(`There is no decision about ${requestId}, or it is too old.`)
    return decision
  } finally {
    client.disconnect()
  }
}

const stepText = ({ rule, says, refuses }: Step) => `${refuses ? '✗' : ' '} ${rule}: ${says}\n`

function decisionText(decision: DecisionEntry): string {
  const { requestId, time, identity, subject, team, user, operation, model, status, code, rule, downgraded, attempts } =
    decision
  const lines = [
    ['request', requestId],
    ['time', new Date(time).toISOString()],
    ['who', [identity, subject !== identity && subject, user, team].filter(Boolean).join(', ')],
    ['asked', [operation, model].filter(Boolean).join(' ')],
    ['outcome', [String(status), code].filter(Boolean).join(' ')],
    ['rule', rule],
    ['downgraded by', downgraded],
    ['tried', attempts?.join(', ')],
  ]
  return lines.flatMap(([name, value]) => (value ? [`${name!.padEnd(14)}${value}\n`] : [])).join('')
}
