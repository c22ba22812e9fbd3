import type { Rules } from '../config/schema.ts'
import { explainDecision } from '../governance/explain-decision.ts'
import { type DescribedRequest, explainRequest, type Step } from '../governance/explain-request.ts'
import { FileKeyStore } from '../identity/file-key-store.ts'
import type { IdentityKind } from '../identity/identity.ts'
import type { KeyRecord } from '../identity/key-record.ts'
import { KeyStoreError } from '../identity/key-store-error.ts'
import { RedisKeyStore } from '../identity/redis-key-store.ts'
import { validateRuleFiles } from '../rule-check.ts'
import type { RedisClient } from '../store/redis-client.ts'
import { RedisRuleStore } from '../store/redis-rule-store.ts'
import { StoreError } from '../store/rule-store.ts'
import type { DecisionEntry } from '../usage/entry.ts'
import { RedisBooks } from '../usage/redis-books.ts'
import { askApi } from './api-client.ts'
import { withRedis } from './redis.ts'
import { RulesError, readRules, reason, rulesIn } from './rules.ts'

export interface ExplainOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  /** Where the management API of a service is, where there is no store. */
  api?: string
  /** Rules, where they are not to be the store's. */
  file?: string
  /** The file of virtual keys, where there is no store. */
  keys?: string
  model?: string
  operation?: string
  listener?: string
  stream?: boolean
  kind?: IdentityKind
  /** The id of a virtual key: who it belongs to is looked up. */
  key?: string
  user?: string
  team?: string
  organization?: string
  /** `name=value`, the value as JSON or text. */
  claim?: string[]
  param?: string[]
  /** `server/name`. */
  tool?: string
  agent?: string
  /** `budget=share`. */
  spent?: string[]
  /** ISO 8601. */
  now?: string
  output: 'text' | 'json'
}

/**
 * `chaperone explain`: what the rules say of a request, step by step; or how it came to what was decided about one.
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
      const { decision, steps } = await decisionOf(requestId, options)
      if (options.output === 'json') write(`${JSON.stringify({ ...decision, steps }, null, 2)}\n`)
      else write(decisionText(decision, steps))
      return decision.status < 400 ? 0 : 2
    }
    const steps = await describedSteps(options)
    const refused = steps.find(({ refuses }) => refuses)
    if (options.output === 'json') write(`${JSON.stringify({ allowed: !refused, steps }, null, 2)}\n`)
    else write(`${steps.map(stepText).join('')}\n${refused ? `refused by ${refused.rule}` : 'let in'}\n`)
    return refused ? 2 : 0
  } catch (error) {
    const known = [RulesError, StoreError, KeyStoreError, RangeError].some((kind) => error instanceof kind)
    if (!known) throw error
    process.stderr.write(`${reason(error)}\n`)
    return 1
  }
}

async function describedSteps(options: ExplainOptions): Promise<Step[]> {
  const rules = await rulesOf(options)
  const record = options.key === undefined ? undefined : await keyOf(options.key, options)
  return explainRequest(rules, describedBy(options, record))
}

/** @throws {RangeError} where an option is not written as it must be */
export function describedBy(options: Omit<ExplainOptions, 'tenant' | 'output'>, record?: KeyRecord): DescribedRequest {
  const { model, operation, listener, stream, kind, key, user, team, organization, claim, param, now } = options
  const when = now === undefined ? undefined : new Date(now)
  if (when && Number.isNaN(when.getTime())) throw new RangeError('--now must be a time such as 2026-11-23T20:00:00Z.')
  const { tool, agent, spent } = options
  return {
    ...{ model, operation, listener, stream, key, now: when },
    kind: kind ?? (claim && claim.length > 0 ? 'jwt' : 'key'),
    owner: {
      user: user ?? record?.user,
      team: team ?? record?.team,
      organization: organization ?? record?.organization,
      models: record?.models,
      servers: record?.servers,
    },
    claims: Object.fromEntries((claim ?? []).map((text) => readPair(text, '--claim'))),
    parameters: Object.fromEntries((param ?? []).map((text) => readPair(text, '--param'))),
    ...(tool !== undefined && { tool: readTool(tool) }),
    ...(agent !== undefined && { agent: { name: agent, skill: '', depth: 0 } }),
    spent: Object.fromEntries((spent ?? []).map(readSpent)),
  }
}

function readPair(text: string, option: string): [string, unknown] {
  const mark = text.indexOf('=')
  if (mark < 1) throw new RangeError(`${option} is written NAME=VALUE.`)
  const value = text.slice(mark + 1)
  try {
    return [text.slice(0, mark), JSON.parse(value)]
  } catch {
    return [text.slice(0, mark), value]
  }
}

function readSpent(text: string): [string, number] {
  const [budget, share] = readPair(text, '--spent')
  if (typeof share !== 'number') throw new RangeError('--spent is written BUDGET=SHARE, such as team=0.8.')
  return [budget, share]
}

function readTool(text: string) {
  const [, server, name] = /^([^/]+)\/(.+)$/.exec(text) ?? []
  if (server === undefined || name === undefined) throw new RangeError('--tool is written SERVER/TOOL.')
  return { server, name, arguments: {} }
}

async function rulesOf({ file, store, tenant }: ExplainOptions): Promise<Rules> {
  if (file !== undefined) return readRules(file).rules
  if (store === undefined) return readRules('chaperone.yaml').rules
  return await withRedis(store, async (client) => {
    const rules = new RedisRuleStore(client, tenant, validateRuleFiles)
    const head = await rules.head()
    const revision = head && (await rules.revision(head.number))
    if (!revision) throw new StoreError('Nothing was published yet.')
    return rulesIn(revision.files).rules
  })
}

async function keyOf(id: string, { store: url, tenant, keys }: ExplainOptions): Promise<KeyRecord> {
  const report = () => undefined
  const find = async (open: Promise<FileKeyStore | RedisKeyStore>) => {
    const store = await open
    try {
      return await store.get(id)
    } finally {
      await store.close()
    }
  }
  const record =
    url === undefined
      ? await find(FileKeyStore.open(keys ?? 'chaperone.keys.json', { report }))
      : await withRedis(url, (client) => find(RedisKeyStore.open(client, { tenant, report })))
  if (!record) throw new RulesError(`There is no key ${id}. chaperone keys list shows their ids.`)
  return record
}

async function decisionOf(
  requestId: string,
  { store, tenant, file, api }: ExplainOptions,
): Promise<{ decision: DecisionEntry; steps: Step[] }> {
  if (store === undefined && api !== undefined) return await decisionAt(api, requestId)
  if (store === undefined)
    throw new RulesError(
      'Decisions are kept in Redis (--store, CHAPERONE_STORE), or by a service that runs without one (--api, CHAPERONE_API).',
    )
  return await withRedis(store, async (client) => {
    const decision = await new RedisBooks(client, tenant).decision(requestId).catch((cause) => {
      throw new StoreError('Redis cannot be used: it does not answer.', { cause })
    })
    if (!decision) throw new RulesError(`There is no decision about ${requestId}, or it is too old.`)
    const rules = file === undefined ? await revisionOf(client, tenant, decision.revision) : readRules(file).rules
    return { decision, steps: explainDecision(decision, rules) }
  })
}

/** @throws {RulesError} */
async function decisionAt(api: string, requestId: string): Promise<{ decision: DecisionEntry; steps: Step[] }> {
  const answer = (await askApi(api, 'DecisionService/GetDecision', { requestId })) as {
    decision: Omit<DecisionEntry, 'time' | 'revision'> & { time: string; revision?: string }
    steps?: Step[]
  }
  const { time, revision, ...decision } = answer.decision
  return {
    decision: {
      ...decision,
      // Proto's JSON leaves out what is empty.
      model: decision.model ?? '',
      status: decision.status ?? 0,
      time: Date.parse(time),
      ...(revision !== undefined && { revision: Number(revision) }),
    },
    steps: answer.steps ?? [],
  }
}

/** @returns undefined where a decision names none, or it cannot be read: the decision can be told without it */
async function revisionOf(client: RedisClient, tenant: string, number: number | undefined): Promise<Rules | undefined> {
  if (number === undefined) return undefined
  try {
    const revision = await new RedisRuleStore(client, tenant, validateRuleFiles).revision(number)
    return revision && rulesIn(revision.files).rules
  } catch {
    return undefined
  }
}

const stepText = ({ rule, says, refuses }: Step) => `${refuses ? '✗' : ' '} ${rule}: ${says}\n`

function decisionText(decision: DecisionEntry, steps: readonly Step[]): string {
  const { requestId, time, operation, model, asked, revision } = decision
  const lines = [
    ['request', requestId],
    ['time', new Date(time).toISOString()],
    ['asked', [operation, asked ?? model].filter(Boolean).join(' ')],
    ['revision', revision],
  ]
  const head = lines.flatMap(([name, value]) => (value ? [`${String(name).padEnd(10)}${value}\n`] : [])).join('')
  return `${head}\n${steps.map(stepText).join('')}`
}
