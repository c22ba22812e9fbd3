import type { Finding } from './check.ts'
import type { AiRouteRule } from './http/action.ts'
import { coversHost, hostsOf, isOn } from './http/order.ts'
import { checkPassthrough } from './http/passthrough-check.ts'
import { aiPaths, coversPath, isWithin, pathMatchOf } from './http/paths.ts'
import { targetsOf } from './http/targets.ts'
import { comparisonOf } from './http/text.ts'
import type { HttpRouteRule } from './http.ts'
import type { Path } from './path.ts'
import { durationMs } from './primitives.ts'
import type { Rules } from './schema.ts'
import { unknownName } from './suggest.ts'

/** Checks of plain HTTP that the schema cannot do: names, what excludes each other, routes that hide others. */
export function checkHttp(
  rules: Rules,
  { order: ordered = true }: { order?: boolean } = {},
): { errors: Finding[]; warnings: Finding[] } {
  const { services, routes, passthrough } = rules.http
  const errors = [
    ...Object.keys(services).flatMap((name) => service(rules, name)),
    ...helpers(rules),
    ...routes.flatMap((route, index) => [
      ...names(rules, route, ['http', 'routes', index]),
      ...contents(rules, route, ['http', 'routes', index]),
    ]),
    ...(ordered ? order(rules) : []),
    ...checkPassthrough(rules),
  ]
  const used = new Set([
    ...routes.flatMap((route) => [...targetsOf(route), ...route.mirror].map(({ service }) => service)),
    ...passthrough.flatMap((rule) => targetsOf(rule).map(({ service }) => service)),
    ...[...Object.values(rules.http.authorizers), ...Object.values(rules.http.processors)].map(
      ({ service }) => service,
    ),
  ])
  const warnings = Object.keys(services)
    .filter((name) => !used.has(name))
    .map((name) => ({
      path: ['http', 'services', name],
      message: 'no route uses this service; name it in a route, or leave it out',
    }))
  return { errors, warnings }
}

function service({ http }: Rules, name: string): Finding[] {
  const { url, endpoints, protocol, tls, balance, hashOn } = http.services[name]!
  const findings: Finding[] = []
  const add = (message: string, ...more: string[]) =>
    findings.push({ path: ['http', 'services', name, ...more], message })
  if ((url === undefined) === (endpoints === undefined)) add('needs exactly one of url and endpoints')
  if (url !== undefined) {
    const { username, password, search, hash, pathname } = new URL(url)
    if (username || password || search || hash || pathname !== '/')
      add('must be a host and a port only; a route’s rewrite changes paths', 'url')
    if (tls && url.startsWith('http:')) add('does not go with http://; write https://', 'tls')
  }
  const secure = tls !== undefined || url?.startsWith('https:')
  if (protocol === 'h3' && !secure) add('h3 needs TLS: an https:// URL, or tls', 'protocol')
  const hashes = balance === 'ring-hash' || balance === 'maglev'
  if (hashes && hashOn.length === 0) add(`is needed: it is what ${balance} chooses by`, 'hashOn')
  if (!hashes && hashOn.length > 0) add('goes with the balance ring-hash or maglev only', 'hashOn')
  return findings
}

function helpers({ http }: Rules): Finding[] {
  const findings: Finding[] = []
  for (const kind of ['authorizers', 'processors'] as const)
    for (const [name, helper] of Object.entries(http[kind])) {
      const path: Path = ['http', kind, name, 'service']
      const found = http.services[helper.service]
      if (!found) findings.push({ path, ...unknownName('service', helper.service, Object.keys(http.services)) })
      else if (!('protocol' in helper && helper.protocol === 'http') && ['auto', 'h1'].includes(found.protocol))
        findings.push({ path, message: `is asked by gRPC: services.${helper.service} needs protocol grpc` })
    }
  return findings
}

/** Names that a route says and that must exist. */
function names({ http, listeners, identities, models, mcp, a2a }: Rules, route: HttpRouteRule, at: Path): Finding[] {
  const { services } = http
  const said: [what: string, name: string, known: object, path: Path][] = [
    ...listed('services', route.services?.map(({ service }) => service) ?? [], 'service', services, 'service'),
    ...listed(
      'mirror',
      route.mirror.map(({ service }) => service),
      'service',
      services,
      'service',
    ),
    ...listed('listeners', route.listeners ?? [], 'listener', listeners),
    ...listed('authorizers', route.authorizers, 'authorizer', http.authorizers),
    ...listed('processors', route.processors, 'processor', http.processors),
  ]
  if (route.service !== undefined) said.push(['service', route.service, services, ['service']])
  if (route.ai) said.push(...aiNames({ models, mcp, a2a }, route.ai))
  route.jwt?.issuers.forEach((name, index) => {
    said.push(['issuer', name, identities.issuers, ['jwt', 'issuers', index]])
  })
  return said
    .filter(([, name, known]) => !Object.hasOwn(known, name))
    .map(([what, name, known, path]) => ({ path: [...at, ...path], ...unknownName(what, name, Object.keys(known)) }))
}

/** What a route of AI traffic names. */
function aiNames(
  { models, mcp, a2a }: Pick<Rules, 'models' | 'mcp' | 'a2a'>,
  ai: AiRouteRule,
): [string, string, object, Path][] {
  // Without any there is one for all servers.
  const endpoints = Object.keys(mcp.endpoints).length > 0 ? mcp.endpoints : { default: mcp }
  return [
    ...(ai.models ?? []).map((name, index): [string, string, object, Path] => [
      'model',
      name,
      models,
      ['ai', 'models', index],
    ]),
    ...(ai.mcp === undefined
      ? []
      : [['MCP endpoint', ai.mcp, endpoints, ['ai', 'mcp']] as [string, string, object, Path]]),
    ...(ai.agent === undefined
      ? []
      : [['agent', ai.agent, a2a.agents, ['ai', 'agent']] as [string, string, object, Path]]),
  ]
}

/** The names of a list of a route, each with its place. */
function listed(key: string, names: readonly string[], what: string, known: object, field?: string) {
  return names.map((name, index): [string, string, object, Path] => [
    what,
    name,
    known,
    field === undefined ? [key, index] : [key, index, field],
  ])
}

/** What a route's parts say about each other. */
function contents({ http, listeners }: Rules, route: HttpRouteRule, at: Path): Finding[] {
  const findings: Finding[] = []
  const add = (message: string, ...more: (string | number)[]) => findings.push({ path: [...at, ...more], message })
  const goals = [route.service, route.services, route.redirect, route.respond, route.ai].filter(
    (goal) => goal !== undefined,
  )
  if (goals.length !== 1) add('needs exactly one of service, services, redirect, respond and ai')
  const targets = targetsOf(route)
  if (targets.length === 0)
    for (const key of ['rewrite', 'retry', 'affinity', 'transcode'] as const)
      if (route[key] !== undefined) add('goes with a service only', key)
  if (targets.length > 0 && targets.every(({ weight }) => weight === 0))
    add('needs a service with a weight above 0', 'services')
  if (new Set(targets.map(({ service }) => service)).size < targets.length)
    add('has a service twice; add up the weights', 'services')
  if (route.ai) {
    if (pathMatchOf(route.match).kind === 'pattern' || route.match.grpc)
      add('needs a match by path or prefix: what is below it is the path of the API', 'ai')
    if (route.governed) add('is so in any case: leave it out', 'governed')
  }
  if (route.rewrite?.template !== undefined && route.match.template === undefined)
    add('needs match.template, whose names it uses', 'rewrite', 'template')
  for (const key of ['rewrite', 'redirect'] as const)
    if (route[key]?.prefix !== undefined && (route.match.regex ?? route.match.template) !== undefined)
      add('needs a match by prefix or path; use replace', key, 'prefix')
  if (route.match.template !== undefined && route.rewrite?.path !== undefined)
    add('does not go with match.template; use template', 'rewrite', 'path')
  if (route.costUsd !== undefined && !route.governed) add('goes with governed: true only', 'costUsd')
  if (route.rateLimit && durationMs(route.rateLimit.per) < 50) add('must be 50ms or longer', 'rateLimit', 'per')
  if (route.transcode && targets.some(({ service }) => ['auto', 'h1'].includes(http.services[service]?.protocol ?? '')))
    add('makes gRPC of requests: the service needs protocol grpc', 'transcode')
  const names = Object.keys(listeners).filter((name) => isOn(route, name))
  for (const name of names) {
    const { tls, serves } = listeners[name]!
    if (route.clients?.certificates && tls?.clientCaFile === undefined)
      add(`listeners.${name} asks for no client certificates: it needs tls.clientCaFile`, 'clients', 'certificates')
    if (!serves.includes('http') && route.listeners)
      add(`listeners.${name} does not serve http`, 'listeners', route.listeners.indexOf(name))
  }
  const reserved = [
    ...Object.keys(route.match.headers),
    ...[route.requestHeaders, route.responseHeaders].flatMap(({ set, add, remove }) => [
      ...Object.keys(set),
      ...Object.keys(add),
      ...remove,
    ]),
    ...Object.keys(route.jwt?.claims ?? {}),
  ].filter((header) => /^x-(?:chaperone|envoy)-/i.test(header))
  if (
    [
      ...Object.keys(route.requestHeaders.set),
      ...Object.keys(route.requestHeaders.add),
      ...route.requestHeaders.remove,
    ].some((header) => /^host$/i.test(header))
  )
    add('Host cannot be changed so; use rewrite.host', 'requestHeaders')
  for (const header of reserved) add(`${header} is the gateway’s own; choose another name`)
  return findings
}

/** Routes that another one before them, or the paths of AI traffic, leave nothing for. */
function order(rules: Rules): Finding[] {
  const { routes } = rules.http
  const findings: Finding[] = []
  const own = aiPaths(rules)
  const servingAi = Object.entries(rules.listeners).filter(([, { serves }]) => serves.includes('ai'))
  const byName = new Map<string, number>()
  routes.forEach((route, index) => {
    const path: Path = ['http', 'routes', index]
    if (byName.has(route.name))
      findings.push({
        path: [...path, 'name'],
        message: `http.routes[${byName.get(route.name)}] has this name as well`,
      })
    else byName.set(route.name, index)
    const match = pathMatchOf(route.match)
    const taken = own.find((each) => isWithin(match, each))
    if (taken && hostsOf(route).includes('*') && servingAi.some(([name]) => isOn(route, name)))
      findings.push({
        path: [...path, 'match'],
        message: `${taken.path} is for AI traffic; give the route hosts, another path, or a listener that does not serve ai`,
      })
    const before = routes.slice(0, index).find((earlier) => covers(rules, earlier, route))
    if (before)
      findings.push({
        path,
        message: `is never reached: the route ${before.name} before it takes all its requests; put it before that one, or leave it out`,
      })
  })
  return findings
}

/** Whether every request that `narrow` takes is taken by `wide`; false where that cannot be told. */
function covers(rules: Rules, wide: HttpRouteRule, narrow: HttpRouteRule): boolean {
  const listeners = Object.keys(rules.listeners).filter((name) => isOn(narrow, name))
  if (!listeners.every((name) => isOn(wide, name))) return false
  if (!hostsOf(narrow).every((host) => hostsOf(wide).some((other) => coversHost(other, host)))) return false
  const { methods } = wide.match
  if (methods && !narrow.match.methods?.every((method) => methods.includes(method))) return false
  if (wide.match.grpc && !narrow.match.grpc) return false
  if (wide.match.percent !== undefined && wide.match.percent < 100) return false
  for (const part of ['headers', 'query'] as const)
    for (const [name, text] of Object.entries(wide.match[part])) {
      const other = narrow.match[part][name]
      if (other === undefined || JSON.stringify(comparisonOf(text)) !== JSON.stringify(comparisonOf(other)))
        return false
    }
  return coversPath(pathMatchOf(wide.match), pathMatchOf(narrow.match))
}
