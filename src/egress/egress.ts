import { METHODS } from 'node:http'
import { agentHeader } from '../a2a/grpc/agent-names.ts'
import type { EgressAction } from '../config/egress.ts'
import type { Identity, Unidentified } from '../identity/identity.ts'
import { Reach, zoneOf } from '../mcp/oauth/reach.ts'
import type { AgentRequest, Decision, LocalAnswer, Protocol } from '../protocol.ts'
import { authorityOf, type Place, placeOf } from './host-pattern.ts'
import type { KnownHost, KnownHosts, Recognised } from './known-hosts.ts'
import type { EgressRecord } from './record.ts'
import { type MayReach, type Resolver, reachOf } from './resolver.ts'
import type { Verdict } from './rules.ts'
import { proxyCredential, type Tunnels } from './tunnels.ts'

type Maybe<T> = T | Promise<T>

/** Names in Envoy's configuration that a decision says. */
export interface EgressNames {
  /** Headers by which it says them. */
  readonly clusterHeader: string
  readonly routeHeader: string
  readonly addressHeader: string
  readonly tunnelHeader: string
  /** Says where a connection was going that asked for no name. */
  readonly caughtHeader: string
  /** Routes of tunnels, and of requests that go on as they are. */
  readonly tunnelRoute: string
  readonly forwardRoute: string
  /** Clusters that go to the address that a header says: as it is, or with TLS. */
  readonly outside: string
  readonly outsideTls: string
  /** The cluster that opens a listener's tunnels here. */
  inside(listener: string): string
}

export interface EgressParts {
  readonly names: EgressNames
  readonly known: KnownHosts
  readonly llm: Protocol
  readonly a2a: Protocol | undefined
  /** A protocol for one MCP server; undefined: it is on no endpoint. */
  mcp(server: string): Protocol | undefined
  readonly resolver: Resolver
  readonly tunnels: Tunnels
  /** Whether TLS to known hosts can be read. */
  readonly authority: boolean
  readonly withoutAuthority: EgressAction
  readonly otherPaths: EgressAction
  /** What the rules say of a host that is not known. */
  decide(place: Place, request: AgentRequest, listener: string, identity: Identity): Verdict
  identify(listener: string, headers: ReadonlyMap<string, string>): Maybe<Identity | Unidentified>
  portOf(listener: string): number
  finished(record: EgressRecord): void
}

/** What is asked for, and by whom. */
interface Ask {
  readonly request: AgentRequest
  readonly listener: string
  readonly place: Place
  readonly secure: boolean
  readonly known: KnownHost | undefined
  readonly identity: Identity
  readonly credential: string | undefined
}

/** Headers that are between an agent and its proxy, and the gateway's own. */
const hopHeaders = [
  'proxy-authorization',
  'proxy-connection',
  'x-chaperone-key',
  'x-chaperone-user',
  'x-chaperone-team',
]

/**
 * Calls of agents that do not know of the gateway: CONNECT and requests for other hosts. What goes to models, MCP servers and
 * agents becomes a call of the protocol that it is; everything else is a matter of `egress.rules`.
 */
export class EgressProtocol implements Protocol {
  readonly #parts: EgressParts

  constructor(parts: EgressParts) {
    this.#parts = parts
  }

  decide(request: AgentRequest): Maybe<Decision> {
    const { names, known, tunnels } = this.#parts
    const listener = request.egress!
    const { headers, method } = request
    const secure = headers.get('x-forwarded-proto') === 'https'
    const authority = headers.get(':authority') ?? ''
    const connects = method === 'CONNECT'
    const caught = connects && authority.startsWith('-:') ? (headers.get(names.caughtHeader) ?? '') : authority
    const place = placeOf(caught, connects ? undefined : secure ? 443 : 80)
    if (!place)
      return this.#bad(request, listener, `The host ${JSON.stringify(authority.slice(0, 200))} is no host with a port.`)
    const credential =
      proxyCredential(headers.get('proxy-authorization')) ??
      tunnels.credentialOf(listener, headers.get(names.tunnelHeader))
    const shown = credential === undefined ? headers : withKey(headers, credential)
    const next = (identity: Identity | Unidentified): Maybe<Decision> => {
      const asked = { request: shown === headers ? request : { ...request, headers: shown }, listener, place }
      const host = known.at(place)
      if (!('status' in identity))
        return connects
          ? this.#connect({ ...asked, secure: true, known: host, identity, credential })
          : this.#forward({ ...asked, secure, known: host, identity, credential })
      // The protocols say it in the words of their APIs.
      const recognised = connects ? undefined : host?.recognise(bare(request.path))
      if (recognised?.type === 'call') return this.#call(asked.request, listener, recognised)
      return this.#unidentified(request, listener, place, identity, connects)
    }
    const identity = this.#parts.identify(listener, shown)
    return identity instanceof Promise ? identity.then(next) : next(identity)
  }

  #connect(ask: Ask): Maybe<Decision> {
    const { names, authority, withoutAuthority, tunnels } = this.#parts
    const { known, listener, credential } = ask
    const plain = known?.urls.some((url) => url.startsWith('http:')) === true
    if (known && (authority || plain)) {
      this.#record(ask, 'read', undefined)
      const set: [string, string][] = [
        [names.clusterHeader, names.inside(listener)],
        [names.routeHeader, names.tunnelRoute],
      ]
      if (credential === undefined) return { type: 'pass', set, remove: [names.tunnelHeader] }
      return { type: 'pass', set: [...set, [names.tunnelHeader, tunnels.open(listener, credential)]], remove: [] }
    }
    const verdict = known ? { action: withoutAuthority, rule: 'egress.withoutAuthority' } : undefined
    return this.#otherwise(ask, verdict, names.outside, names.tunnelRoute)
  }

  #forward(ask: Ask): Maybe<Decision> {
    const { names, otherPaths } = this.#parts
    const { known, request, secure } = ask
    const recognised = known?.recognise(bare(request.path))
    if (recognised?.type === 'odd')
      return this.#refuse(
        ask,
        400,
        'odd_path',
        undefined,
        'The path must be written plainly: without escapes, doubled slashes and dots.',
      )
    if (recognised?.type === 'call') return this.#call(request, ask.listener, recognised)
    // Discovery of what a host may have: there is none here.
    if (recognised && request.path.startsWith('/.well-known/'))
      return this.#refuse(ask, 404, 'not_found', undefined, 'There is no such document here.')
    const verdict = recognised ? { action: otherPaths, rule: 'egress.otherPaths' } : undefined
    return this.#otherwise(ask, verdict, secure ? names.outsideTls : names.outside, names.forwardRoute)
  }

  /** A call of a protocol, as if the agent had asked the gateway for it. */
  #call(
    request: AgentRequest,
    listener: string,
    { path, ...recognised }: Recognised & { type: 'call' },
  ): Maybe<Decision> {
    const { llm, a2a } = this.#parts
    const mark = request.path.indexOf('?')
    const own = mark === -1 ? path : path + request.path.slice(mark)
    const protocol =
      recognised.protocol === 'mcp' ? this.#parts.mcp(recognised.server) : recognised.protocol === 'a2a' ? a2a : llm
    if (!protocol) return this.#bad(request, listener, 'This MCP server is on no endpoint of the gateway.', 403)
    const headers =
      recognised.protocol === 'a2a' ? new Map([...request.headers, [agentHeader, recognised.agent]]) : request.headers
    const decided = protocol.decide({ ...request, headers, path: own, port: this.#parts.portOf(listener) })
    const withPath = (decision: Decision): Decision =>
      decision.type === 'plan' || decision.type === 'respond' ? { ...decision, path: own } : decision
    return decided instanceof Promise ? decided.then(withPath) : withPath(decided)
  }

  /** What is not governed by a protocol goes by rules. */
  #otherwise(
    ask: Ask,
    given: { action: EgressAction; rule: string } | undefined,
    cluster: string,
    route: string,
  ): Maybe<Decision> {
    const { names, resolver } = this.#parts
    const { request, place, listener, identity } = ask
    const { action, rule, may } = given
      ? { ...given, may: reachOfKnown(ask.known!, place.host) }
      : this.#parts.decide(place, request, listener, identity)
    if (action === 'deny') return this.#refuse(ask, 403, 'egress_denied', rule, deniedText(ask, rule))
    return resolver.resolve(place.host, may).then((resolved) => {
      if (resolved.type === 'unknown')
        return this.#refuse(ask, 502, 'unknown_host', rule, `The host ${place.host} has no address.`)
      if (resolved.type === 'unreachable')
        return this.#refuse(
          ask,
          403,
          'address_denied',
          rule,
          `The addresses of ${place.host} are not public ones. The operator can name them in an egress rule (hosts, addresses).`,
        )
      this.#record(ask, action, rule)
      return {
        type: 'pass',
        set: [
          [names.clusterHeader, cluster],
          [names.routeHeader, route],
          [names.addressHeader, authorityOf({ host: resolved.address, port: place.port })],
        ],
        remove: [...hopHeaders, names.tunnelHeader, names.caughtHeader],
      }
    })
  }

  #refuse(ask: Ask, status: number, code: string, rule: string | undefined, message: string): Decision {
    this.#record(ask, 'deny', rule, code)
    return { type: 'answer', answer: refusal(ask.request, status, code, rule, message) }
  }

  #bad(request: AgentRequest, listener: string, message: string, status = 400): Decision {
    this.#parts.finished({
      ...recordOf(request, listener, { host: '', port: 0 }),
      action: 'deny',
      rule: undefined,
      known: undefined,
      code: 'bad_request',
      user: undefined,
      team: undefined,
    })
    return { type: 'answer', answer: refusal(request, status, 'bad_request', undefined, message) }
  }

  /** 407 where it is the proxy that wants to know who asks (RFC 9110, section 15.5.8). */
  #unidentified(
    request: AgentRequest,
    listener: string,
    place: Place,
    { status, code, message }: Unidentified,
    connects: boolean,
  ): Decision {
    this.#parts.finished({
      ...recordOf(request, listener, place),
      action: 'deny',
      rule: `listeners.${listener}.identity`,
      known: undefined,
      code,
      user: undefined,
      team: undefined,
    })
    const asks = status === 401
    const answer = refusal(request, asks ? 407 : status, code, `listeners.${listener}.identity`, message)
    if (asks) answer.headers.push(['proxy-authenticate', 'Basic realm="chaperone"'])
    if (connects) answer.headers.push(['connection', 'close'])
    return { type: 'answer', answer }
  }

  #record(ask: Ask, action: EgressRecord['action'], rule: string | undefined, code?: string): void {
    const { request, listener, place, known, identity } = ask
    this.#parts.finished({
      ...recordOf(request, listener, place),
      action,
      rule,
      known: known?.names,
      code,
      user: identity.user,
      team: identity.team,
    })
  }
}

function recordOf(request: AgentRequest, listener: string, { host, port }: Place) {
  const method = request.method === 'CONNECT' ? 'tunnel' : METHODS.includes(request.method) ? request.method : 'other'
  return { requestId: request.id, listener, host, port, method }
}

function deniedText({ place, known }: Ask, rule: string | undefined): string {
  const where = `${place.host}:${place.port}`
  switch (rule) {
    case 'egress.withoutAuthority':
      return `${where} serves ${known!.names}, and this gateway cannot read TLS to it. Use the gateway’s own address as the base URL, or ask the operator to set egress.authority.`
    case 'egress.otherPaths':
      return `Of ${where} only the APIs that this gateway governs can be asked for. Ask the operator for egress.otherPaths if you need more.`
    default:
      return `The rules of this gateway do not let you reach ${where}. Ask the operator for an egress rule if you need it.`
  }
}

/** What of the rules names a host by a URL may have the addresses that its host has by its own word; else public ones. */
function reachOfKnown({ urls }: KnownHost, host: string): MayReach {
  if (urls.length === 0) return reachOf(() => false, false)
  const zones = new Reach(urls[0]!, urls).zones(host)
  return (address) => zones.has(zoneOf(address))
}

function refusal(
  request: AgentRequest,
  status: number,
  code: string,
  rule: string | undefined,
  message: string,
): LocalAnswer {
  return {
    status,
    headers: [['content-type', 'application/json']],
    body: JSON.stringify({
      error: { status, code, message, ...(rule !== undefined && { rule }) },
      request_id: request.id,
    }),
  }
}

/** What is inside of a tunnel shows nothing of ours by itself: what opened the tunnel counts. */
function withKey(headers: ReadonlyMap<string, string>, credential: string): ReadonlyMap<string, string> {
  return headers.has('x-chaperone-key') ? headers : new Map([...headers, ['x-chaperone-key', credential]])
}

function bare(path: string): string {
  const mark = path.indexOf('?')
  return mark === -1 ? path : path.slice(0, mark)
}
