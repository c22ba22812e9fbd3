import type { Meter } from './meter.ts'

export type Headers = readonly [name: string, value: string][]

/**
 * What clients know from OpenAI's API: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, each of the limit that
 * has least left.
 * @param meters those that a request is counted by; budgets and slots are not told
 */
export function rateLimitHeaders(meters: readonly Meter[], nowMs: number): Headers {
  const headers: [string, string][] = []
  for (const kind of ['requests', 'tokens'] as const) {
    let tightest: Meter | undefined
    for (const meter of meters) {
      if (meter.rule.kind !== kind || meter.rule.section !== 'limit') continue
      if (!tightest || meter.remaining < tightest.remaining) tightest = meter
    }
    if (!tightest) continue
    headers.push(
      [`x-ratelimit-limit-${kind}`, String(tightest.capacity)],
      [`x-ratelimit-remaining-${kind}`, String(tightest.remaining)],
      [`x-ratelimit-reset-${kind}`, resetText(tightest.span.endMs - nowMs)],
    )
  }
  return headers
}

/** @returns a duration as OpenAI writes it: `250ms`, `12s`, `6m0s`, `23h0m5s` */
export function resetText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / 1_000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (hours > 0) return `${hours}h${minutes % 60}m${seconds % 60}s`
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`
}
