import { createHash } from 'node:crypto'
import { comparisonOf, type TextMatch } from '../../../config/http/text.ts'
import { durationMs } from '../../../config/primitives.ts'
import type { EnvoyJson } from '../filters.ts'

/** Values of the rules as Envoy writes them. */

/** @param duration as the rules write it; `none` is 0, which turns Envoy's timeouts off */
export function seconds(duration: string): string {
  return duration === 'none' ? '0s' : `${durationMs(duration) / 1000}s`
}

/** envoy.type.v3.FractionalPercent. @param percent 0 to 100, to the ten-thousandth */
export function fraction(percent: number): EnvoyJson {
  return { numerator: Math.round(percent * 10_000), denominator: 'MILLION' }
}

/** envoy.config.core.v3.RuntimeFractionalPercent, of which all or none is meant. */
export function always(on = true): EnvoyJson {
  return { default_value: fraction(on ? 100 : 0) }
}

/** envoy.type.matcher.v3.StringMatcher. `not` and `present` are for those who ask. */
export function stringMatcher(match: TextMatch): EnvoyJson {
  const { exact, prefix, suffix, contains, regex } = comparisonOf(match)
  if (exact !== undefined) return { exact }
  if (prefix !== undefined) return { prefix }
  if (suffix !== undefined) return { suffix }
  if (contains !== undefined) return { contains }
  return { safe_regex: { regex: regex ?? '.*' } }
}

/** An Any. @param type the message's full name */
export function typed(type: string, value: EnvoyJson = {}): EnvoyJson {
  return { '@type': `type.googleapis.com/${type}`, ...value }
}

/** A short name for a content. */
export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)
}
