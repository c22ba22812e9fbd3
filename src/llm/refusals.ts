import type { Unidentified } from '../identity/identity.ts'
import type { Refusal } from '../limits/admission.ts'
import { refusalText, rulePath } from '../limits/refusal-text.ts'
import type { Verdict } from '../policy/policies.ts'
import { ApiError } from './errors.ts'

/** What the rules refuse, as errors of the LLM APIs: whose rule it was, and what to do. */

export function notIdentified({ status, code, message }: Unidentified): ApiError {
  switch (status) {
    case 401:
      return new ApiError(401, 'authentication_error', message, { code, headers: [['www-authenticate', 'Bearer']] })
    case 403:
      return new ApiError(403, 'permission_error', message, { code })
    case 503:
      return new ApiError(503, 'overloaded_error', message, { code })
  }
}

export function notAllowed(verdict: Verdict & { effect: 'deny' }): ApiError {
  const { policy, message } = verdict
  return new ApiError(
    403,
    'permission_error',
    policy === undefined ? message : `The policy ${policy} of this gateway denies this request. ${message}`,
    { code: 'policy_denied', rule: policy === undefined ? 'policies.default' : `policies.rules.${policy}` },
  )
}

export function notAdmitted(refusal: Refusal): ApiError {
  const { kind, opensInMs, why, headers } = refusal
  return new ApiError(
    why === 'store' ? 503 : kind !== 'limit' && why === 'used_up' ? 402 : 429,
    why === 'store' ? 'overloaded_error' : 'rate_limit_error',
    refusalText(refusal),
    {
      code: why === 'store' ? 'limit_store_unavailable' : kind !== 'limit' ? 'budget_exceeded' : 'rate_limit_exceeded',
      rule: rulePath(refusal),
      headers: [...headers],
      ...(Number.isFinite(opensInMs) && { retryAfter: opensInMs / 1000 }),
    },
  )
}
