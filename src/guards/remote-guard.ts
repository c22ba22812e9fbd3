import { createHmac } from 'node:crypto'
import { z } from 'zod'
import type { GuardRule } from '../config/guards.ts'
import { GuardDenied } from './guards.ts'

/** A service that is asked about texts. */
export interface RemoteGuard {
  readonly name: string
  readonly action: GuardRule['action']
  readonly onFailure: 'deny' | 'allow'
  readonly message: string | undefined
  /** @returns what it says. @throws {Error} where it does not answer well */
  ask(phase: 'request' | 'response', texts: readonly string[], about: About): Promise<Verdict>
}

/** What it is told of the request. */
export interface About {
  readonly id: string
  readonly model: string
  readonly operation: string
  readonly user?: string | undefined
  readonly team?: string | undefined
}

export type Verdict =
  | { action: 'pass' }
  | { action: 'deny'; reason?: string }
  | { action: 'mask'; texts: readonly string[] }

/** An answer is no longer than this, or twice what was asked. */
const longestAnswer = 1024 * 1024
const verdictSchema = z.discriminatedUnion('action', [
  z.object({ action: z.literal('pass') }),
  z.object({ action: z.literal('deny'), message: z.string().max(500).optional() }),
  z.object({ action: z.literal('mask'), texts: z.array(z.string()) }),
])

export interface WebhookOptions {
  url: string
  timeoutMs: number
  /** @returns the secret to sign with; absent: nothing is signed */
  secret?: (() => string) | undefined
}

/** Asks a webhook; docs/guards.md is its contract. */
export function askWebhook({ url, timeoutMs, secret }: WebhookOptions): RemoteGuard['ask'] {
  return async (phase, texts, { id, model, operation, user, team }) => {
    const body = JSON.stringify({ phase, texts, request: { id, model, operation, identity: { user, team } } })
    const signature = secret && createHmac('sha256', secret()).update(body).digest('hex')
    const answer = shaped(
      verdictSchema,
      await post(
        url,
        body,
        timeoutMs,
        signature === undefined ? {} : { 'x-chaperone-signature': `sha256=${signature}` },
      ),
    )
    if (answer.action === 'mask' && answer.texts.length !== texts.length)
      throw new Error(`the webhook answered ${answer.texts.length} texts for ${texts.length}`)
    return answer.action === 'deny'
      ? { action: 'deny', ...(answer.message !== undefined && { reason: answer.message }) }
      : answer
  }
}

const moderationSchema = z.object({
  results: z.array(
    z.object({
      flagged: z.boolean(),
      categories: z.record(z.string(), z.boolean()).default({}),
      category_scores: z.record(z.string(), z.number()).default({}),
    }),
  ),
})

export interface ModerationOptions {
  baseUrl: string
  timeoutMs: number
  model: string
  /** Scores from which a category counts; none: whatever the API flags. */
  categories: Readonly<Record<string, number>>
  key(): string
}

/** Asks OpenAI's moderation API (POST /moderations). */
export function askModeration({ baseUrl, timeoutMs, model, categories, key }: ModerationOptions): RemoteGuard['ask'] {
  const thresholds = Object.entries(categories)
  return async (_phase, texts) => {
    const input = texts.filter((text) => text.trim() !== '')
    if (input.length === 0) return { action: 'pass' }
    const { results } = shaped(
      moderationSchema,
      await post(`${baseUrl.replace(/\/$/, '')}/moderations`, JSON.stringify({ model, input }), timeoutMs, {
        authorization: `Bearer ${key()}`,
      }),
    )
    if (results.length !== input.length) throw new Error('the moderation API answered another number of results')
    const counted = new Set(
      results.flatMap((result) =>
        thresholds.length > 0
          ? thresholds.filter(([name, score]) => (result.category_scores[name] ?? 0) >= score).map(([name]) => name)
          : result.flagged
            ? Object.keys(result.categories).filter((name) => result.categories[name])
            : [],
      ),
    )
    const flagged = counted.size > 0 || (thresholds.length === 0 && results.some((result) => result.flagged))
    return flagged
      ? { action: 'deny', reason: `It is about: ${[...counted].join(', ') || 'what is flagged'}.` }
      : { action: 'pass' }
  }
}

/** Says of a wrong answer where it is wrong, and nothing of what it holds. */
function shaped<T>(schema: z.ZodType<T>, answer: unknown): T {
  const read = schema.safeParse(answer)
  if (read.success) return read.data
  const { code, path } = read.error.issues[0]!
  throw new Error(`its answer has another form: ${code} at ${path.join('.') || 'the top'}`)
}

async function post(url: string, body: string, timeoutMs: number, headers: Record<string, string>): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`it answered ${response.status}`)
  }
  const most = Math.max(longestAnswer, 2 * Buffer.byteLength(body))
  let length = 0
  const pieces: Uint8Array[] = []
  for await (const piece of response.body ?? []) {
    length += piece.length
    if (length > most) throw new Error('its answer is too long')
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch {
    // The parser's own message quotes the answer.
    throw new Error('its answer is no JSON')
  }
}

/** What a refused caller is told. */
export function remoteDenial({ name, message }: RemoteGuard, reason: string | undefined): GuardDenied {
  const why = reason === undefined ? '' : ` ${reason}`
  return new GuardDenied(
    name,
    `The guard ${name} of this gateway does not let this pass.${why} ${message ?? 'Change it and try again.'}`,
  )
}
