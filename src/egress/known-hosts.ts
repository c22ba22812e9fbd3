import { isIP } from 'node:net'
import { isGrpcPath } from '../a2a/grpc/agent-names.ts'
import type { ProviderRule, Rules } from '../config/schema.ts'
import { apiPath } from './api-paths.ts'
import { catalogue, type HostApi } from './catalogue.ts'
import { authorityOf, hostPattern, type Place } from './host-pattern.ts'

/** What a request to a known host is. */
export type Recognised =
  /** A call of a protocol, by the path that the gateway has for it. */
  | { readonly type: 'call'; readonly protocol: 'llm'; readonly path: string }
  /** A call of an agent; those of gRPC have the paths of its methods, and do not name it. */
  | { readonly type: 'call'; readonly protocol: 'a2a'; readonly agent: string; readonly path: string }
  /** A message to one MCP server. */
  | { readonly type: 'call'; readonly protocol: 'mcp'; readonly server: string; readonly path: string }
  /** Nothing that is governed. */
  | { readonly type: 'other' }
  /** Written so that a server may take it for something that is governed. */
  | { readonly type: 'odd' }

/** Something that is reached at a host. */
interface Known {
  readonly name: string
  readonly protocol: 'llm' | 'mcp' | 'a2a'
  /** The URL of the rules; undefined: the catalogue's. */
  readonly url: string | undefined
  recognise(path: string): Recognised | undefined
}

/** A host of models, MCP servers or agents. */
export class KnownHost {
  readonly #known: readonly Known[]

  constructor(known: readonly Known[]) {
    this.#known = known
  }

  /** As the log names it. */
  get names(): string {
    return [...new Set(this.#known.map(({ name }) => name))].join(', ')
  }

  get protocol(): Known['protocol'] {
    return this.#known[0]!.protocol
  }

  /** The URLs by which the rules name it. */
  get urls(): string[] {
    return this.#known.flatMap(({ url }) => (url === undefined ? [] : [url]))
  }

  /** @param path without query */
  recognise(path: string): Recognised {
    const found = this.#find(path)
    if (found) return found
    const plain = plainPath(path)
    return plain !== path && this.#find(plain) ? { type: 'odd' } : { type: 'other' }
  }

  #find(path: string): Recognised | undefined {
    for (const known of this.#known) {
      const found = known.recognise(path)
      if (found) return found
    }
    return undefined
  }
}

/** A path without escapes, double slashes and steps, in lower case: as a lenient server may read it. */
function plainPath(path: string): string {
  let decoded = path
  try {
    decoded = decodeURIComponent(path)
  } catch {
    // Stays as it stands.
  }
  const { pathname } = new URL(decoded.replaceAll('\\', '/').replace(/\/{2,}/g, '/'), 'http://host')
  return pathname.toLowerCase().replace(/(.)\/$/, '$1')
}

/** The hosts that the rules name, and those of the catalogue. */
export class KnownHosts {
  readonly #byPlace = new Map<string, KnownHost>()
  readonly #patterns: readonly { fits: (host: string) => boolean; host: KnownHost }[]

  constructor(rules: Pick<Rules, 'providers' | 'mcp' | 'a2a'>) {
    const named = new Map<string, Known[]>()
    const add = (url: string, known: Omit<Known, 'url'>) => {
      const { hostname, port, protocol } = new URL(url)
      const place = {
        host: hostname.toLowerCase().replace(/^\[|\]$/g, ''),
        port: Number(port) || (protocol === 'https:' ? 443 : 80),
      }
      const key = authorityOf(place)
      named.set(key, [...(named.get(key) ?? []), { ...known, url }])
    }
    for (const [name, { url, ...known }] of providersOf(rules.providers)) add(url, { ...known, name })
    for (const [name, server] of Object.entries(rules.mcp.servers))
      if (server.type === 'http' || server.type === 'sse') add(server.url, mcpServer(name, server.url))
    for (const [name, { url, interfaces, hosts }] of Object.entries(rules.a2a.agents)) {
      const written = interfaces === 'auto' ? [] : interfaces.map((one) => one.url)
      const further = hosts.map((host) => `https://${host}`)
      for (const each of new Set([url, ...written, ...further])) add(each, agent(name, each))
    }
    const entries = catalogue.map(({ name, hosts, api, bases = [''] }) => ({ hosts, known: maker(name, api, bases) }))
    const makersOf = (host: string) =>
      entries.filter(({ hosts }) => hosts.some((pattern) => hostPattern(pattern)(host))).map(({ known }) => known)
    for (const [place, known] of named) {
      this.#byPlace.set(place, new KnownHost([...known, ...makersOf(hostOf(place))]))
    }
    this.#patterns = entries.flatMap(({ hosts, known }) => {
      const host = new KnownHost([known])
      return hosts.map((pattern) => ({ fits: hostPattern(pattern), host }))
    })
  }

  /** What is at a place; undefined: nothing that is known. */
  at(place: Place): KnownHost | undefined {
    const named = this.#byPlace.get(authorityOf(place))
    if (named || (place.port !== 443 && place.port !== 80)) return named
    return this.#patterns.find(({ fits }) => fits(place.host))?.host
  }

  /** Whether a certificate may be made for a name. */
  has(name: string): boolean {
    for (const place of this.#byPlace.keys()) if (hostOf(place) === name) return true
    return this.#patterns.some(({ fits }) => fits(name))
  }

  /** The known hosts that are IP addresses, which no server name says. */
  get addresses(): string[] {
    return [...this.#byPlace.keys()].map(hostOf).filter((host) => isIP(host) !== 0)
  }

  /** The places that the rules name with http://. */
  get plain(): string[] {
    return [...this.#byPlace].flatMap(([place, { urls }]) =>
      urls.some((url) => url.startsWith('http:')) ? [place] : [],
    )
  }
}

function hostOf(place: string): string {
  return place.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
}

function maker(name: string, api: HostApi, bases: readonly string[]): Known {
  return {
    name,
    protocol: 'llm',
    url: undefined,
    recognise(path) {
      const mapped = apiPath(api, bases, path)
      return mapped === undefined ? undefined : { type: 'call', protocol: 'llm', path: mapped }
    },
  }
}

const apis: Partial<Record<ProviderRule['type'], HostApi>> = {
  openai: 'openai',
  'openai-compatible': 'openai',
  anthropic: 'anthropic',
  gemini: 'gemini',
  vertex: 'vertex',
  'azure-openai': 'azure-openai',
  bedrock: 'bedrock',
}

function providersOf(providers: Rules['providers']): [name: string, known: Known & { url: string }][] {
  return Object.entries(providers).flatMap(([name, rule]) => {
    const { baseUrl } = rule
    if (baseUrl === undefined) return []
    const base = new URL(baseUrl).pathname.replace(/\/$/, '')
    const api = apis[rule.type]!
    // The makers' base paths are in their hosts' own paths already.
    const bases = api === 'openai' ? [base] : api === 'anthropic' ? [base.replace(/\/v1$/, '')] : ['']
    return [[name, { ...maker(name, api, bases), url: baseUrl }]]
  })
}

const withoutSlash = (path: string) => path.replace(/(.)\/$/, '$1')

function mcpServer(server: string, url: string): Omit<Known, 'url'> {
  const own = withoutSlash(new URL(url).pathname)
  return {
    name: server,
    protocol: 'mcp',
    recognise: (path) =>
      withoutSlash(path) === own ? { type: 'call', protocol: 'mcp', server, path: '/mcp' } : undefined,
  }
}

const cardPath = /^\/\.well-known\/agent(?:-card)?\.json$/

function agent(name: string, url: string): Omit<Known, 'url'> {
  const own = new URL(url).pathname.replace(/\/$/, '')
  const here = `/a2a/${name}`
  const call = (path: string): Recognised => ({ type: 'call', protocol: 'a2a', agent: name, path })
  return {
    name,
    protocol: 'a2a',
    recognise(path) {
      // What the card says, once it was read through the gateway.
      if (path === here || path.startsWith(`${here}/`)) return call(path)
      if (isGrpcPath(path)) return call(path)
      if (cardPath.test(path)) return call(here + path)
      if (path === own || path === `${own}/`) return call(here)
      return path.startsWith(`${own}/`) ? call(here + path.slice(own.length)) : undefined
    },
  }
}
