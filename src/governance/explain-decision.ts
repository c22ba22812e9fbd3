import type { Rules } from '../config/schema.ts'
import { aliasOf, modelOf, type Step, servedBy } from './explain-request.ts'

/** What is kept of a decision, as far as it is explained; `usage/entry.ts` says what each is. */
export interface KeptDecision {
  readonly identity: string
  readonly subject?: string | undefined
  readonly organization?: string | undefined
  readonly team?: string | undefined
  readonly user?: string | undefined
  readonly model: string
  readonly asked?: string | undefined
  readonly status: number
  readonly code?: string | undefined
  readonly rule?: string | undefined
  readonly rules?: readonly string[] | undefined
  readonly downgraded?: string | undefined
  readonly attempts?: readonly string[] | undefined
}

/**
 * How it came to a decision, step by step, in the order in which the rules were asked. It is told from what was kept, not worked
 * out anew: nothing of a request's content is kept, and its rules may have depended on that.
 * @param rules those it was decided by; undefined: they are not to be had, and only rules that had a part in it are told
 */
export function explainDecision(decision: KeptDecision, rules: Rules | undefined): Step[] {
  const { rule: refusedBy, rules: parts = [], downgraded, attempts, status, code } = decision
  const told = new Told(refusedBy, code)
  told.add('identity', whoOf(decision))
  if (rules) {
    modelSteps(decision, rules, told)
    policySteps(rules, parts, told)
    for (const name of Object.keys(rules.prompts)) told.part(`prompts.${name}`, parts, 'applied', 'did not apply')
    for (const name of Object.keys(rules.guards)) guardSteps(`guards.${name}`, parts, told)
    for (const path of meterPaths(rules)) {
      if (path === `budgets.${downgraded}`) told.add(path, `used up: ${decision.model} answers instead`)
      else told.part(path, parts, 'had room, and counted it', 'did not count it')
    }
  } else for (const part of parts) told.add(...split(part))
  if (refusedBy !== undefined) told.refusal(refusedBy)
  for (const attempt of attempts ?? []) {
    const mark = attempt.lastIndexOf('=')
    told.add(attempt.slice(0, mark), `was asked, and said ${attempt.slice(mark + 1)}`)
  }
  const outcome = [status === 0 ? 'the client went away' : String(status), code].filter(Boolean).join(' ')
  return [...told.steps, { rule: 'outcome', says: outcome }]
}

/** Steps up to the rule that refused: those after it were not asked any more. */
class Told {
  readonly steps: Step[] = []
  readonly refusedBy: string | undefined
  readonly #code: string | undefined
  #refused = false

  constructor(refusedBy: string | undefined, code: string | undefined) {
    this.refusedBy = refusedBy
    this.#code = code
  }

  add(rule: string, says: string): void {
    if (this.#refused) return
    this.steps.push({ rule, says })
  }

  /** A rule that had a part in it, or had none, or refused. */
  part(rule: string, parts: readonly string[], had: string, none: string): void {
    if (rule === this.refusedBy) this.refusal(rule)
    else this.add(rule, parts.includes(rule) ? had : none)
  }

  refusal(rule: string): void {
    if (this.#refused) return
    this.steps.push({ rule, says: `refused it: ${this.#code ?? 'no reason is kept'}`, refuses: true })
    this.#refused = true
  }
}

function modelSteps({ model, asked }: KeptDecision, rules: Rules, told: Told): void {
  const name = asked ?? model
  if (name === '') return
  const alias = aliasOf(rules, name)
  if (alias !== undefined) told.add(`aliases.${name}`, `the model is ${alias}`)
  const meant = alias ?? name
  const found = modelOf(rules, meant)
  if (found !== undefined) told.add(`models.${found}`, servedBy(rules, found, meant))
}

/** Denies are asked first; allows only where the default is to deny, up to the first that applies. */
function policySteps({ policies }: Rules, parts: readonly string[], told: Told): void {
  const names = (effect: string) =>
    Object.entries(policies.rules).flatMap(([name, rule]) => (rule.effect === effect ? [`policies.rules.${name}`] : []))
  for (const path of names('deny')) told.part(path, [], '', 'did not apply')
  if (policies.default === 'allow') {
    told.add('policies.default', 'allow')
    return
  }
  for (const path of names('allow')) {
    told.part(path, parts, 'applied: allow, and decided', 'did not apply')
    if (parts.includes(path)) return
  }
  told.part('policies.default', [], '', 'deny')
}

/** A guard found several kinds of things, or nothing. */
function guardSteps(path: string, parts: readonly string[], told: Told): void {
  const findings = parts.flatMap((part) => (part.startsWith(`${path} `) ? [part.slice(path.length + 1)] : []))
  for (const finding of findings) told.add(path, `found something: ${finding}`)
  if (findings.length === 0 || path === told.refusedBy) told.part(path, [], '', 'found nothing, or was not for it')
}

function meterPaths({ limits, budgets }: Rules): string[] {
  return [
    ...Object.keys(limits).map((name) => `limits.${name}`),
    ...Object.keys(budgets).map((name) => `budgets.${name}`),
  ]
}

function whoOf({ identity, subject, organization, team, user }: KeptDecision): string {
  const owner = [user, team, organization].filter(Boolean).join(', ')
  const name = subject === undefined || subject === identity ? identity : `${identity} ${subject}`
  return owner === '' ? name : `${name}: ${owner}`
}

function split(part: string): [rule: string, says: string] {
  const mark = part.indexOf(' ')
  return mark < 0 ? [part, 'had a part in it'] : [part.slice(0, mark), `found something: ${part.slice(mark + 1)}`]
}
