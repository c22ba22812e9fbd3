import { Agent, request } from 'undici'
import type { TargetCheck } from './target.ts'
import { TargetError } from './target.ts'

/** How one try to deliver ended. The reason is for operators: it names no address and nothing of what was sent or answered. */
export type Outcome =
  | { readonly type: 'delivered'; readonly status: number }
  /** There was nothing to say yet. */
  | { readonly type: 'held' }
  | {
      readonly type: 'failed'
      readonly reason: string
      readonly status?: number | undefined
      /** When the client wants to be asked again, ms. */
      readonly retryAfterMs?: number | undefined
      /** The client says that nobody is there any more. */
      readonly gone?: boolean | undefined
    }

/** What of an answer is read, so that its connection can be used again, bytes. */
const longestAnswer = 64 * 1024
const longestWaitMs = 60 * 60 * 1000

/**
 * Calls clients' URLs: only what may be called, at the addresses that were judged when the connection was made, without
 * following anywhere. It does not go through Envoy: an address that was judged there would be looked up a second time.
 */
export class Poster {
  readonly #check: TargetCheck
  readonly #timeoutMs: number
  readonly #agent: Agent

  /** @param timeoutMs for a try, from the look-up of the name to the end of the answer */
  constructor(check: TargetCheck, timeoutMs: number) {
    this.#check = check
    this.#timeoutMs = timeoutMs
    this.#agent = new Agent({
      connect: { lookup: check.lookup, timeout: timeoutMs },
      connections: 8,
      pipelining: 1,
      keepAliveTimeout: 10_000,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxHeaderSize: 32 * 1024,
    })
  }

  /** Rejects never. @param stop aborts where the process ends */
  async post(
    text: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    stop: AbortSignal,
  ): Promise<Outcome> {
    const signal = AbortSignal.any([AbortSignal.timeout(this.#timeoutMs), stop])
    try {
      const url = this.#check.parse(text)
      const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher: this.#agent })
      const { statusCode: status } = answer
      answer.body.on('error', () => undefined)
      await answer.body.dump({ limit: longestAnswer, signal }).catch(() => undefined)
      if (status >= 200 && status < 300) return { type: 'delivered', status }
      const retryAfterMs = retryAfter(answer.headers['retry-after'], Date.now())
      const reason = status < 400 ? `status ${status}: redirects are not followed` : `status ${status}`
      return { type: 'failed', reason, status, retryAfterMs, gone: status === 410 }
    } catch (error) {
      return { type: 'failed', reason: reasonOf(error, signal) }
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof TargetError) return cause.message
  if (signal.aborted) return 'no answer in time'
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no connection'
  return code.slice(0, 60)
}

/** RFC 9110, section 10.2.3: seconds, or a date. @returns ms, an hour at most */
export function retryAfter(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string') return undefined
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), longestWaitMs)
}
