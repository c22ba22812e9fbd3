import type { MatchRule } from '../../../config/http/match.ts'
import { pathMatchOf } from '../../../config/http/paths.ts'
import { comparisonOf, type TextMatch } from '../../../config/http/text.ts'
import type { EnvoyJson } from '../filters.ts'
import { fraction, stringMatcher, typed } from './values.ts'

/** envoy.config.route.v3.RouteMatch of a route's match. */
export function routeMatch(match: MatchRule): EnvoyJson {
  const headers = Object.entries(match.headers).map(([name, text]) => headerMatcher(name, text))
  if (match.methods) headers.push(methodMatcher(match.methods))
  if (match.grpc) headers.push(headerMatcher('content-type', { prefix: 'application/grpc', not: false }))
  const query = Object.entries(match.query).map(([name, text]) => queryMatcher(name, text))
  return {
    ...pathMatcher(match),
    ...(headers.length > 0 && { headers }),
    ...(query.length > 0 && { query_parameters: query }),
    ...(match.percent !== undefined && { runtime_fraction: { default_value: fraction(match.percent) } }),
  }
}

function pathMatcher(match: MatchRule): EnvoyJson {
  if (match.template !== undefined)
    return {
      path_match_policy: {
        name: 'envoy.path.match.uri_template',
        typed_config: typed('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', {
          path_template: match.template,
        }),
      },
    }
  const { kind, value } = pathMatchOf(match)
  if (kind === 'exact') return { path: value }
  if (kind === 'pattern') return { safe_regex: { regex: value } }
  return value.endsWith('/') ? { prefix: value } : { path_separated_prefix: value }
}

function headerMatcher(name: string, text: TextMatch): EnvoyJson {
  const match = comparisonOf(text)
  return {
    name,
    ...(match.present === undefined ? { string_match: stringMatcher(match) } : { present_match: match.present }),
    ...(match.not && { invert_match: true }),
  }
}

function methodMatcher(methods: readonly string[]): EnvoyJson {
  const [first] = methods
  const string_match = methods.length === 1 ? { exact: first } : { safe_regex: { regex: methods.join('|') } }
  return { name: ':method', string_match }
}

/** A parameter has no inverted match: what is not to be is told by its absence. */
function queryMatcher(name: string, text: TextMatch): EnvoyJson {
  const match = comparisonOf(text)
  if (match.present !== undefined) return { name, present_match: match.present !== match.not }
  return { name, string_match: stringMatcher(match) }
}
