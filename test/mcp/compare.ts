import { type Outcomes, type Status, statuses } from './conformance.ts'

/** A check that came out worse through something than directly, or a reason that was not needed. */
export interface Difference {
  readonly scenario: string
  readonly check: string
  readonly direct: Status | 'missing'
  readonly through: Status | 'missing'
  /** What the suite says of the scenario's failures through it. */
  readonly details: readonly string[]
}

/** Why a scenario (`scenario`) or one of its checks (`scenario/check`) cannot come out as it does directly. */
export type Reasons = Readonly<Record<string, string>>

/**
 * What came out worse than in the direct run, check by check: one that did not run at all is the worst. What comes out better is
 * no difference. A reason covers what it names; one that covers nothing is given back, so that the table stays true.
 * @returns nothing twice: `differences` are those without a reason, `needless` the reasons that nothing needed
 */
export function compare(
  direct: Outcomes,
  through: Outcomes,
  reasons: Reasons = {},
): { differences: Difference[]; needless: string[] } {
  const needed = new Set<string>()
  const differences: Difference[] = []
  for (const [scenario, { checks }] of direct)
    for (const [check, before] of checks) {
      const outcome = through.get(scenario)
      const after = outcome?.checks.get(check) ?? 'missing'
      if (rank(after) <= rank(before)) continue
      const reason = [scenario, `${scenario}/${check}`].find((key) => key in reasons)
      if (reason) needed.add(reason)
      else differences.push({ scenario, check, direct: before, through: after, details: outcome?.details ?? [] })
    }
  return { differences, needless: Object.keys(reasons).filter((key) => !needed.has(key)) }
}

/** A difference in one line, with what the suite says of that check. */
export function describeDifference({ scenario, check, direct, through, details }: Difference): string {
  const said = details.find((line) => line.startsWith(`${through} ${check}: `)) ?? details[0] ?? ''
  return `${scenario}/${check}: ${direct} → ${through}${said && `; ${said}`}`
}

/** INFO and SKIPPED are the same: the check did not apply. */
function rank(status: Status | 'missing'): number {
  if (status === 'missing') return statuses.length
  return statuses.indexOf(status === 'SKIPPED' ? 'INFO' : status)
}
