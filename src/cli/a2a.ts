import { lookInto, pushJournal } from '../a2a/push/store/push-journal.ts'
import { type DeadLetter, mostLetters } from '../a2a/push/store/push-store.ts'
import { RedisPushStore } from '../a2a/push/store/redis-push-store.ts'
import { safeJson, safeText } from '../mcp/pins/safe-text.ts'
import { connectRedis } from '../store/redis-client.ts'
import { reason } from './rules.ts'
import { tableOf } from './table.ts'

export interface A2aOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  /** The service's directory, where there is no store. */
  state: string
  output: 'text' | 'json'
}

/**
 * `chaperone a2a undelivered`: notifications of tasks that were given up. What agents wrote is printed escaped.
 * @returns the exit code: 0 where there are none, 1 where there are some, 2 with the reason on standard error
 */
export async function undelivered(
  { store, tenant, state, output }: A2aOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  try {
    const letters = await lettersIn(store, tenant, state)
    if (output === 'json') write(`${safeJson({ undelivered: letters.map(shown) })}\n`)
    else write(letters.length === 0 ? 'No notification was given up.\n' : textOf(letters))
    return letters.length > 0 ? 1 : 0
  } catch (error) {
    process.stderr.write(`${reason(error)}\n`)
    return 2
  }
}

async function lettersIn(store: string | undefined, tenant: string, state: string): Promise<DeadLetter[]> {
  if (store === undefined) return lookInto(pushJournal(state)).deadLetters(mostLetters)
  const client = connectRedis(store, () => undefined)
  try {
    return await new RedisPushStore(client, tenant).deadLetters(mostLetters)
  } finally {
    client.disconnect()
  }
}

const at = (ms: number) => new Date(ms).toISOString()

function shown({ sinceMs, givenUpMs, ...letter }: DeadLetter): object {
  return { ...letter, since: at(sinceMs), givenUp: at(givenUpMs) }
}

function textOf(letters: readonly DeadLetter[]): string {
  return tableOf([
    ['GIVEN UP', 'AGENT', 'TASK', 'HOST', 'TRIES', 'REASON'],
    ...letters.map(({ givenUpMs, agent, taskId, host, tries, reason: why }) =>
      [at(givenUpMs).slice(0, 19), agent, taskId, host, String(tries), why].map((cell) => safeText(cell)),
    ),
  ])
}
