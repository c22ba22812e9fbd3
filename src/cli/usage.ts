import { RedisBooks } from '../usage/redis-books.ts'
import { type Dimension, dayOf, type UsageRow } from '../usage/rollup.ts'
import { withRedis } from './redis.ts'
import { reason } from './rules.ts'

export interface UsageOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
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
  { store, tenant, from, to, by = ['team'], output, ...only }: UsageOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  if (store === undefined) {
    process.stderr.write('Usage is kept in Redis: say which with --store, or in CHAPERONE_STORE.\n')
    return 1
  }
  const today = dayOf(Date.now())
  const query = { from: from ?? `${today.slice(0, 8)}01`, to: to ?? today, by, only }
  try {
    const rows = await withRedis(store, (client) => new RedisBooks(client, tenant).usage(query))
    write(output === 'json' ? `${JSON.stringify({ by, rows: rows.map(shown) }, null, 2)}\n` : tableOf(by, rows))
    return 0
  } catch (error) {
    process.stderr.write(`${reason(error)}\n`)
    return 1
  }
}

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
