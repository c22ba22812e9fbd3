import { z } from 'zod'
import { RedisBooks } from '../usage/redis-books.ts'
import { type Dimension, dayOf, type UsageQuery, type UsageRow } from '../usage/rollup.ts'
import { askApi } from './api-client.ts'
import { withRedis } from './redis.ts'
import { RulesError, reason } from './rules.ts'

export interface UsageOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  /** Where the management API of a service is, where there is no store. */
  api?: string
  from?: string
  to?: string
  /** Default: team. */
  by?: (Dimension | 'day')[]
  organization?: string
  team?: string
  user?: string
  key?: string
  model?: string
  provider?: string
  output: 'text' | 'json'
}

/**
 * `chaperone usage`: what was used, and what it cost.
 * @returns the exit code
 */
export async function usage(
  { store, tenant, api, from, to, by = ['team'], output, ...only }: UsageOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  const today = dayOf(Date.now())
  const query = { from: from ?? `${today.slice(0, 8)}01`, to: to ?? today, by, only }
  try {
    const rows =
      store !== undefined
        ? await withRedis(store, (client) => new RedisBooks(client, tenant).usage(query))
        : await usageOf(api, query)
    write(output === 'json' ? `${JSON.stringify({ by, rows: rows.map(shown) }, null, 2)}\n` : tableOf(by, rows))
    return 0
  } catch (error) {
    process.stderr.write(`${reason(error)}\n`)
    return 1
  }
}

/** @throws {RulesError} */
async function usageOf(api: string | undefined, { only = {}, ...query }: UsageQuery): Promise<UsageRow[]> {
  if (api === undefined)
    throw new RulesError(
      'Usage is kept in Redis (--store, CHAPERONE_STORE), or by a service that runs without one (--api, CHAPERONE_API).',
    )
  const answer = await askApi(api, 'UsageService/QueryUsage', { ...query, ...only })
  return answerSchema
    .parse(answer)
    .rows.map(({ usd, ...row }) => ({ ...row, nanoUsd: Math.round(usd * 1_000_000_000) }))
}

/** Proto's JSON: counts are texts, and what is 0 or empty is left out. */
const count = z.coerce.number().default(0)
const answerSchema = z.object({
  rows: z
    .array(
      z
        .object({
          group: z.array(z.string()).default([]),
          requests: count,
          inputTokens: count,
          outputTokens: count,
          cachedTokens: count,
          reasoningTokens: count,
          usd: count,
        })
        .transform(({ group, requests, inputTokens, outputTokens, cachedTokens, reasoningTokens, usd }) => ({
          ...{ group, requests, usd },
          ...{ input: inputTokens, output: outputTokens, cached: cachedTokens, reasoning: reasoningTokens },
        })),
    )
    .default([]),
})

const shown = ({ group, nanoUsd, ...counts }: UsageRow) => ({ group, ...counts, usd: nanoUsd / 1_000_000_000 })

function tableOf(by: readonly string[], rows: readonly UsageRow[]): string {
  const head = [...by.map((each) => each.toUpperCase()), 'REQUESTS', 'INPUT', 'CACHED', 'OUTPUT', 'REASONING', 'USD']
  const body = rows.map(({ group, requests, input, cached, output, reasoning, nanoUsd }) => [
    ...group.map((value) => value || '-'),
    ...[requests, input, cached, output, reasoning].map(String),
    (nanoUsd / 1_000_000_000).toFixed(4),
  ])
  const all = [head, ...body]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column < by.length ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd()
  return `${all.map(line).join('\n')}\n`
}
