import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { McpEndpointRule, McpRule, McpServerRule, McpServerRuleOf } from '../config/mcp.ts'
import { durationMs } from '../config/primitives.ts'
import type { Pool, RouteClass, Topology, Upstream } from '../protocol.ts'
import { Access, type Approval, type Judge } from './access.ts'
import type { Endpoint } from './endpoint.ts'
import { Federation, type ToolFilter } from './federation.ts'
import { Names } from './names.ts'
import { type OpenApiTools, toolsOf } from './openapi/tools.ts'
import { readSealKeys, type SealKey } from './seal.ts'
import type { McpServer } from './server/server.ts'

/** Gives the values behind references to secrets. @throws {Error} where there is none */
export interface Secrets {
  resolve(reference: string): string
}

/** The MCP part of the rules, ready for requests. */
export interface McpRules {
  readonly servers: readonly McpServer[]
  /** By path. */
  readonly endpoints: ReadonlyMap<string, Endpoint>
  /** For clients that ask one server, by its name. */
  readonly single: ReadonlyMap<string, Endpoint>
}

/** The parts that live longer than one revision, or come from elsewhere. */
export interface McpParts {
  readonly judge: Judge
  readonly approval: Approval
  readonly filter: ToolFilter
  /** Makes a server, or gives the one that was made for the same rule. */
  server(name: string, rule: McpServerRule, upstream: Upstream | undefined): McpServer
}

/** @throws {RangeError} where the rules cannot be carried out */
export function compileMcp(rule: McpRule, parts: McpParts): McpRules {
  const servers = new Map<string, McpServer>()
  for (const [name, server] of Object.entries(rule.servers)) {
    servers.set(name, parts.server(name, server, upstreamOf(name, server)))
  }
  const access = new Access(new Map(Object.entries(rule.servers)), parts.judge, parts.approval)
  const given = Object.entries(rule.endpoints)
  const defaults = {
    serverInstructions: true,
    origins: [],
    pageSize: 1000,
    cache: '0ms',
    scopes: [],
  }
  const all: (typeof given)[number][] = given.length > 0 || servers.size === 0 ? given : [['default', defaults]]
  const endpoints = new Map<string, Endpoint>()
  for (const [name, endpoint] of all) {
    const chosen = (endpoint.servers ?? Object.keys(rule.servers)).map((server) => {
      const found = servers.get(server)
      if (!found) throw new RangeError(`mcp.endpoints.${name}.servers: there is no server ${server}`)
      return found
    })
    let names: Names
    try {
      names = new Names(
        chosen.map((server) => ({
          name: server.name,
          prefix: (server.rule.prefix ?? server.name).replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 32),
          rename: new Map(Object.entries(server.rule.tools.rename)),
        })),
      )
    } catch (error) {
      throw new RangeError(`mcp.endpoints.${name}: ${(error as Error).message}`)
    }
    const path = name === 'default' ? '/mcp' : `/mcp/${name}`
    endpoints.set(path, {
      name,
      path,
      rule: endpoint,
      federation: new Federation(chosen, names, access, parts.filter),
      cacheMs: durationMs(endpoint.cache),
    })
  }
  const alone = (server: McpServer) => {
    const names = new Names([
      { name: server.name, prefix: '', rename: new Map(Object.entries(server.rule.tools.rename)) },
    ])
    return new Federation([server], names, access, parts.filter)
  }
  return { servers: [...servers.values()], endpoints, single: singleServers(all, servers, alone) }
}

/**
 * Endpoints for one server each, as clients find it that know nothing of the gateway: with the server's own names. What clients must
 * show is what they must at the endpoint with the fewest scopes that has it; a server that is on none cannot be asked.
 */
function singleServers(
  endpoints: readonly [name: string, rule: McpEndpointRule][],
  servers: ReadonlyMap<string, McpServer>,
  alone: (server: McpServer) => Federation,
): ReadonlyMap<string, Endpoint> {
  const single = new Map<string, Endpoint>()
  for (const [name, server] of servers) {
    const [rule] = endpoints
      .map(([, rule]) => rule)
      .filter(({ servers }) => servers === undefined || servers.includes(name))
      .sort((one, other) => one.scopes.length - other.scopes.length)
    if (!rule) continue
    const endpoint = `server:${name}`
    single.set(name, { name: endpoint, path: '/mcp', rule, federation: alone(server), cacheMs: durationMs(rule.cache) })
  }
  return single
}

/** What Envoy must know of the MCP part of the rules. @throws {RangeError} where a URL cannot be used */
export function mcpTopology({ servers, endpoints }: McpRule): Topology {
  const upstreams: Upstream[] = []
  const pools: Pool[] = []
  const routeClasses = new Map<string, RouteClass>()
  for (const [name, server] of Object.entries(servers)) {
    const upstream = upstreamOf(name, server)
    if (!upstream) continue
    upstreams.push(upstream)
    if (server.type !== 'http') continue
    const { pool, routeClass } = directWay(upstream, server)
    pools.push(pool)
    routeClasses.set(routeClass.id, routeClass)
  }
  const responds = Object.keys(servers).length + Object.keys(endpoints).length > 0
  return { upstreams, pools, routeClasses: [...routeClasses.values()], responds }
}

/** How Envoy brings a client's own call to a server. The service's timeout comes first: it says whose it was. */
export function directWay(
  upstream: Upstream,
  { callTimeout }: Pick<McpServerRule, 'callTimeout'>,
): { pool: Pool; routeClass: RouteClass } {
  const ms = durationMs(callTimeout) + 1_000
  return {
    pool: { id: `direct:${upstream.id}`, upstreams: [upstream.id], allHeaders: true },
    routeClass: { id: `mcp-${ms}`, firstByteMs: ms, totalMs: ms + 1_000, attempts: 1, onlyUnanswered: true },
  }
}

/** @throws {RangeError} where the document cannot be used, or does not say where its API is */
export function openApiOf(name: string, rule: McpServerRuleOf<'openapi'>): { api: OpenApiTools; url: string } {
  let text: string
  try {
    text = readFileSync(rule.document, 'utf8')
  } catch (error) {
    throw new RangeError(`mcp.servers.${name}.document: ${(error as Error).message}`)
  }
  const api = toolsOf(text, rule, rule.document)
  const url = rule.url ?? api.baseUrl
  if (url === undefined)
    throw new RangeError(`mcp.servers.${name}.url: is missing; the document does not say where its API is`)
  return { api, url }
}

/** `host:port`, where an IPv6 address stands in brackets. */
function replicaOf(text: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tcp://${text}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** A server's URL. @throws {RangeError} where it has none */
export function urlOf(name: string, rule: Exclude<McpServerRule, { type: 'stdio' }>): string {
  return rule.type === 'openapi' ? openApiOf(name, rule).url : rule.url
}

/** Where an HTTP server is; undefined for what is none. */
function upstreamOf(name: string, rule: McpServerRule): Upstream | undefined {
  if (rule.type === 'stdio') return undefined
  const url = new URL(urlOf(name, rule))
  if (url.username || url.password || url.hash)
    throw new RangeError(`mcp.servers.${name}.url: must not hold a user name, a password or a fragment`)
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const address = {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port ? Number(url.port) : scheme === 'https' ? 443 : 80,
    connectTimeoutMs: durationMs(rule.connectTimeout),
    serverName: rule.tls?.serverName,
    caFile: rule.tls?.caFile,
    replicas: rule.type === 'openapi' ? [] : rule.replicas.map(replicaOf),
  } as const
  const hash = createHash('sha256').update(JSON.stringify(address)).digest('hex').slice(0, 10)
  return { id: `mcp/${name}@${hash}`, ...address }
}

/** The keys of the rules. @throws {RangeError} where one is none */
export function sealKeysOf({ sessions }: McpRule, secrets: Secrets): SealKey[] {
  return readSealKeys(sessions.keys, 'mcp.sessions.keys', (reference) => secrets.resolve(reference))
}

/** The environment of a process: values, with references in them replaced. @throws {Error} where there is none */
export function environmentOf(env: Readonly<Record<string, string>>, secrets: Secrets): Record<string, string> {
  const made: Record<string, string> = {}
  for (const [name, value] of Object.entries(env))
    made[name] = /^\$\{(?:env|file):[^}]+\}$/.test(value) ? secrets.resolve(value) : value
  return made
}
