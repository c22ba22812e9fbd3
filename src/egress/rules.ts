import type { EgressAction, EgressRule, EgressRules } from '../config/egress.ts'
import { isRange } from '../config/egress.ts'
import type { Identity } from '../identity/identity.ts'
import type { Facts } from '../policy/facts.ts'
import type { AgentRequest } from '../protocol.ts'
import { hostPattern, isNarrow, networks, type Place } from './host-pattern.ts'
import { type MayReach, reachOf } from './resolver.ts'

/** What the rules say of a connection to a host that is not known. */
export interface Verdict {
  readonly action: EgressAction
  /** Its path in the rules. */
  readonly rule: string
  /** The addresses that the host may turn out to have. */
  readonly may: MayReach
}

type Condition = (facts: Facts) => boolean

interface Compiled {
  readonly rule: EgressRule
  readonly names: readonly ((host: string) => boolean)[]
  readonly addresses: (address: string) => boolean
  readonly when: Condition | undefined
  readonly verdict: Verdict
}

/**
 * Compiles `egress.rules`.
 * @param condition compiles an expression; its second argument is what holds where its value cannot be had
 */
export function compileRules(
  egress: EgressRules,
  condition: (expression: string, otherwise: boolean) => Condition,
): (place: Place, request: AgentRequest, listener: string, identity: Identity) => Verdict {
  const compiled = egress.rules.map((rule): Compiled => {
    const { hosts, when, action, addresses, name } = rule
    const ranges = hosts.filter(isRange)
    const named = networks([...ranges, ...addresses.filter((range) => range !== 'private')].filter(isNarrow))
    return {
      rule,
      names: hosts.filter((host) => !isRange(host)).map(hostPattern),
      addresses: networks(ranges),
      when: when === undefined ? undefined : condition(when, action === 'deny'),
      verdict: {
        action,
        rule: `egress.rules.${name}`,
        may: reachOf(named, addresses.includes('private')),
      },
    }
  })
  const otherwise: Verdict = { action: egress.default, rule: 'egress.default', may: reachOf(() => false, false) }
  return (place, request, listener, identity) => {
    let facts: Facts | undefined
    const found = compiled.find(({ rule, names, addresses, when }) => {
      if (rule.ports && !rule.ports.includes(place.port)) return false
      if (!names.some((fits) => fits(place.host)) && !addresses(place.host)) return false
      if (!when) return true
      facts ??= factsOf(place, request, listener, identity)
      return when(facts)
    })
    return found?.verdict ?? otherwise
  }
}

function factsOf({ host, port }: Place, request: AgentRequest, listener: string, identity: Identity): Facts {
  const mark = request.path.indexOf('?')
  return {
    request: {
      id: request.id,
      method: request.method,
      path: mark === -1 ? request.path : request.path.slice(0, mark),
      listener,
      operation: `egress/${host}:${port}`,
      stream: false,
      bytes: 0,
    },
    identity,
    model: '',
    parameters: {},
    now: new Date(),
    spent: () => 0,
  }
}
