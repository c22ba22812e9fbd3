import type { Unidentified } from '../identity/identity.ts'
import type { Refusal } from '../limits/admission.ts'
import type { Verdict } from '../policy/policies.ts'
import { ApiError } from './errors.ts'

/** What the rules refuse, as errors of the LLM APIs: whose rule it was, and what to do. */

export function notIdentified({ status, code, message }: Unidentified): ApiError {
  return status === 401
    ? new ApiError(401, 'authentication_error', message, { code, headers: [['www-authenticate', 'Bearer']] })
    : new ApiError(503, 'overloaded_error', message, { code })
}

export function notAllowed(verdict: Verdict & { effect: 'deny' }): ApiError {
  const { policy, message } = verdict
  return new ApiError(
    403,
    'permission_error',
    policy === undefined ? message : `The policy ${policy} of this gateway denies this request. ${message}`,
    { code: 'policy_denied', ...(policy !== undefined && { rule: `policies.rules.${policy}` }) },
  )
}

const units = { requests: 'requests', tokens: 'tokens', concurrent: 'concurrent requests', usd: 'US dollars' }

export function notAdmitted(refusal: Refusal): ApiError {
  const { rule, kind, unit, subject, capacity, opensInMs, why, headers } = refusal
  const whose = subject === '' ? '' : ` of ${subject}`
  const amount = unit === 'usd' ? `${capacity / 1_000_000_000}` : String(capacity)
  const name = `The ${kind} ${rule}${whose} (${amount} ${units[unit]})`
  const state =
    why === 'store'
      ? `cannot be checked at the moment`
      : why === 'reserved'
        ? `has no room beside the requests under way`
        : `is used up`
  const when = Number.isFinite(opensInMs)
    ? `Try again in ${waitText(opensInMs)}.`
    : 'Ask those who keep the budgets for more.'
  return new ApiError(
    why === 'store' ? 503 : kind === 'budget' && why === 'used_up' ? 402 : 429,
    why === 'store' ? 'overloaded_error' : 'rate_limit_error',
    `${name} ${state}. ${when}`,
    {
      code: why === 'store' ? 'limit_store_unavailable' : kind === 'budget' ? 'budget_exceeded' : 'rate_limit_exceeded',
      rule: `${kind}s.${rule}`,
      headers: [...headers],
      ...(Number.isFinite(opensInMs) && { retryAfter: opensInMs / 1000 }),
    },
  )
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
