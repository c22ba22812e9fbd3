import type { Cluster, Redis } from 'ioredis'
import { z } from 'zod'
import type { Batch, Books } from './books.ts'
import type { DecisionEntry } from './entry.ts'
import {
  type Counter,
  counters,
  countsOf,
  daysOf,
  type Rollup,
  summarize,
  type UsageQuery,
  type UsageRow,
} from './rollup.ts'
import { idsOf, longestId, mostCalls, type TreeCall } from './tree-call.ts'

/** Streams are cut to about so many entries, days are kept so long. */
const mostUsage = 1_000_000
const mostDecisions = 100_000
const daySeconds = 400 * 86_400
/** The calls of a tree are kept for so long after the last of them. */
const treeSeconds = 7 * 86_400
/** Trees that one id may name. */
const mostTrees = 100
/** A sidecar that was silent for so long is another one when it comes again. */
const seenSeconds = 30 * 86_400
/** Entries looked through for one decision. */
const mostLooked = 100_000
const page = 1_000

/**
 * KEYS: usage, decisions, seen, then a day's hash each, then a tree's calls each, then each id's set of trees. ARGV: sequence, all
 * entries as lines, how many days, how many trees; then for each day how many pairs, and the pairs of field and amount; for each tree how
 * many calls, and the calls; for each id a tree.
 */
const script = `
if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[3]) or '0') then return 0 end
for kind, entry in string.gmatch(ARGV[2], '([+-])([^\\t\\n]*)[^\\n]*\\n') do
  if kind == '+' then
    redis.call('XADD', KEYS[1], '*', 'e', entry)
  end
  redis.call('XADD', KEYS[2], '*', 'e', entry)
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ${mostUsage})
redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ${mostDecisions})
local days, trees = tonumber(ARGV[3]), tonumber(ARGV[4])
local at = 5
for day = 4, 3 + days do
  local pairs = tonumber(ARGV[at])
  at = at + 1
  for i = 1, pairs do
    redis.call('HINCRBY', KEYS[day], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  redis.call('EXPIRE', KEYS[day], ${daySeconds})
end
for tree = 4 + days, 3 + days + trees do
  local calls = tonumber(ARGV[at])
  at = at + 1
  for i = 1, calls do
    redis.call('RPUSH', KEYS[tree], ARGV[at])
    at = at + 1
  end
  redis.call('LTRIM', KEYS[tree], -${mostCalls}, -1)
  redis.call('EXPIRE', KEYS[tree], ${treeSeconds})
end
for id = 4 + days + trees, #KEYS do
  if redis.call('SCARD', KEYS[id]) < ${mostTrees} then
    redis.call('SADD', KEYS[id], ARGV[at])
  end
  redis.call('EXPIRE', KEYS[id], ${treeSeconds})
  at = at + 1
end
redis.call('SET', KEYS[3], ARGV[1], 'EX', ${seenSeconds})
return 1`

const decisionSchema = z.looseObject({
  requestId: z.string(),
  time: z.number(),
  operation: z.string(),
  model: z.string(),
  identity: z.string(),
  listener: z.string(),
  status: z.number(),
})

const callSchema = z.looseObject({
  kind: z.enum(['agent', 'model', 'tool']),
  requestId: z.string(),
  time: z.number(),
  durationMs: z.number(),
  tree: z.string(),
  subject: z.string(),
  chain: z.array(z.string()),
  from: z.string(),
  to: z.string(),
  operation: z.string(),
  status: z.number(),
  input: z.number(),
  output: z.number(),
  nanoUsd: z.number(),
})

/** Usage and decisions in Redis; docs/rules-in-redis.md describes the keys. */
export class RedisBooks implements Books {
  readonly #client: Redis | Cluster
  readonly #prefix: string

  /** @param client stays the caller's */
  constructor(client: Redis | Cluster, tenant: string) {
    this.#client = client
    this.#prefix = `chaperone:{${tenant}}:`
  }

  async write({ sidecar, sequence, lines, days, calls }: Batch): Promise<void> {
    const trees = new Map<string, string[]>()
    const ids: [id: string, tree: string][] = []
    for (const call of calls) {
      if (call.tree.length > longestId) continue
      const text = JSON.stringify(call)
      const tree = trees.get(call.tree)
      if (tree) tree.push(text)
      else trees.set(call.tree, [text])
      for (const id of idsOf(call)) ids.push([id, call.tree])
    }
    const keys = [
      `${this.#prefix}usage`,
      `${this.#prefix}decisions`,
      `${this.#prefix}usage:seen:${sidecar}`,
      ...[...days.keys()].map((day) => this.#day(day)),
      ...[...trees.keys()].map((tree) => this.#tree(tree)),
      ...ids.map(([id]) => this.#treesOf(id)),
    ]
    const called = [...[...trees.values()].flatMap((texts) => [texts.length, ...texts]), ...ids.map(([, tree]) => tree)]
    const amounts = [...days.values()].flatMap((rollup) => {
      const pairs = [...rollup].flatMap(([group, counts]) =>
        counters
          .filter((counter) => counts[counter] > 0)
          .flatMap((counter) => [`${group}#${counter}`, counts[counter]]),
      )
      return [pairs.length / 2, ...pairs]
    })
    await this.#client.eval(
      script,
      keys.length,
      ...keys,
      sequence,
      Buffer.from(lines.buffer, lines.byteOffset, lines.length),
      days.size,
      trees.size,
      ...amounts,
      ...called,
    )
  }

  async usage(query: UsageQuery): Promise<UsageRow[]> {
    const days = await Promise.all(
      daysOf(query).map(async (day) => [day, readDay(await this.#client.hgetall(this.#day(day)))] as const),
    )
    return summarize(days, query)
  }

  async calls(id: string): Promise<TreeCall[]> {
    if (id.length > longestId) return []
    const trees = new Set([id, ...(await this.#client.smembers(this.#treesOf(id)))])
    const lists = await Promise.all([...trees].map((tree) => this.#client.lrange(this.#tree(tree), 0, -1)))
    return lists.flat().flatMap((text) => {
      const call = readCall(text)
      return call ? [call] : []
    })
  }

  async decision(requestId: string): Promise<DecisionEntry | undefined> {
    for await (const decision of this.#newestFirst()) if (decision.requestId === requestId) return decision
    return undefined
  }

  async decisions({ limit, refusedOnly = false }: { limit: number; refusedOnly?: boolean }): Promise<DecisionEntry[]> {
    const found: DecisionEntry[] = []
    for await (const decision of this.#newestFirst()) {
      if (refusedOnly && decision.attempts !== undefined) continue
      found.push(decision)
      if (found.length >= limit) break
    }
    return found
  }

  async *#newestFirst(): AsyncIterable<DecisionEntry> {
    let end = '+'
    for (let looked = 0; looked < mostLooked; looked += page) {
      const entries = await this.#client.xrevrange(`${this.#prefix}decisions`, end, '-', 'COUNT', page)
      for (const [, fields] of entries) {
        const decision = readDecision(fields[1])
        if (decision) yield decision
      }
      if (entries.length < page) return
      end = `(${entries.at(-1)![0]}`
    }
  }

  #day(day: string): string {
    return `${this.#prefix}usage:${day}`
  }

  #tree(id: string): string {
    return `${this.#prefix}tree:${id}`
  }

  #treesOf(id: string): string {
    return `${this.#prefix}trees-of:${id}`
  }
}

function readDay(fields: Record<string, string>): Rollup {
  const rollup: Rollup = new Map()
  for (const [field, value] of Object.entries(fields)) {
    const mark = field.lastIndexOf('#')
    const counter = field.slice(mark + 1) as Counter
    const amount = Number(value)
    if (mark < 0 || !counters.includes(counter) || !Number.isFinite(amount)) continue
    const group = field.slice(0, mark)
    countsOf(rollup, group)[counter] += amount
  }
  return rollup
}

function readCall(text: string): TreeCall | undefined {
  try {
    const parsed = callSchema.safeParse(JSON.parse(text))
    return parsed.success ? (parsed.data as unknown as TreeCall) : undefined
  } catch {
    return undefined
  }
}

function readDecision(text: string | undefined): DecisionEntry | undefined {
  try {
    const parsed = decisionSchema.safeParse(JSON.parse(text ?? ''))
    return parsed.success ? (parsed.data as unknown as DecisionEntry) : undefined
  } catch {
    return undefined
  }
}
