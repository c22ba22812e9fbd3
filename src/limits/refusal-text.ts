import type { Refusal } from './admission.ts'

const units = {
  requests: 'requests',
  tokens: 'tokens',
  concurrent: 'concurrent requests',
  usd: 'US dollars',
  time: 'seconds',
}
/** What of a tree is counted. */
const treeUnits: Readonly<Record<string, string>> = { toolCalls: 'tool calls', delegations: 'delegations' }

/** The rule that refused, by its path. */
export function rulePath({ kind, rule }: Pick<Refusal, 'kind' | 'rule'>): string {
  return kind === 'tree' ? `a2a.tree.${rule}` : `${kind}s.${rule}`
}

/** What a refused caller is told: which limit or budget it was, whose, and when it opens. */
export function refusalText({ rule, kind, unit, subject, capacity, opensInMs, why }: Refusal): string {
  const amount = unit === 'usd' ? `${capacity / 1_000_000_000}` : String(capacity)
  const state =
    why === 'store'
      ? `cannot be checked at the moment`
      : why === 'reserved'
        ? `has no room beside the requests under way`
        : `is used up`
  if (kind === 'tree') {
    const next =
      why === 'used_up'
        ? 'All that comes of one task shares it; begin another task, with a larger budget if need be.'
        : `Try again in ${waitText(opensInMs)}.`
    return `The budget of the tree ${subject} (${amount} ${treeUnits[rule] ?? units[unit]}) ${state}. ${next}`
  }
  const whose = subject === '' ? '' : ` of ${subject}`
  const name = `The ${kind} ${rule}${whose} (${amount} ${units[unit]})`
  const when = Number.isFinite(opensInMs)
    ? `Try again in ${waitText(opensInMs)}.`
    : 'Ask those who keep the budgets for more.'
  return `${name} ${state}. ${when}`
}

/** @returns `250 ms`, `12 s`, `5 min`, `3 h`, `12 days` */
function waitText(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)} ms`
  const seconds = Math.ceil(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.ceil(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.ceil(seconds / 3_600)} h`
  return `${Math.ceil(seconds / 86_400)} days`
}
