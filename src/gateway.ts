import { randomBytes } from 'node:crypto'
import type { Hearers } from './a2a/front/account.ts'
import { isA2aPath } from './a2a/protocol.ts'
import type { NotificationRecord } from './a2a/push/record.ts'
import { A2aState, a2aTopology, type PushParts } from './a2a/state.ts'
import type { Owners } from './a2a/tasks/owners.ts'
import { innerPath, type Mount, mountOf } from './config/http/mount.ts'
import { checkNamedFiles } from './config/named-files.ts'
import { pathText } from './config/path.ts'
import type { Rules } from './config/schema.ts'
import { KnownHosts } from './egress/known-hosts.ts'
import type { EgressRecord } from './egress/record.ts'
import { EgressState, servesEgress } from './egress/state.ts'
import type { AttachedEnvoy } from './envoy/attached.ts'
import { clusterHeader, egressNames, egressSocket, noServerName } from './envoy/names.ts'
import { PlanStore } from './envoy/plans.ts'
import { EnvoyServer, type Transport } from './envoy/server.ts'
import { DiscoveryService, type Rejection } from './envoy/xds/ads.ts'
import { type EnvoyConfig, encodeConfig, encodeSecret, envoyConfig } from './envoy/xds/resources.ts'
import { compileGovernance, type GovernanceParts } from './governance/compile.ts'
import type { Governance } from './governance/governance.ts'
import { HttpProtocol } from './http/http.ts'
import { HealthBook } from './llm/balance.ts'
import { compileLlm } from './llm/compile.ts'
import { LlmProtocol } from './llm/llm.ts'
import type { LlmContext } from './llm/plan.ts'
import type { Secrets } from './llm/providers/provider.ts'
import { mcpTopology } from './mcp/compile.ts'
import type { ToolFilter } from './mcp/federation.ts'
import { admitterOf, approvalOf, approversOf, judgeOf } from './mcp/governed.ts'
import { type Gate, isMcpPath } from './mcp/mcp.ts'
import type { TokenStore } from './mcp/oauth/token-store.ts'
import type { ToolPins } from './mcp/pins/tool-pins.ts'
import { McpState } from './mcp/state.ts'
import { ExpressionCompiler } from './policy/expression.ts'
import type { ProcessKeys } from './process-keys.ts'
import type { AgentRequest, Decision, LocalAnswer, Protocol, Topology } from './protocol.ts'
import type { McpRecord } from './telemetry/record.ts'

export interface GatewayOptions {
  /** Path of the unix socket that Envoy calls. */
  socket: string
  transport?: Transport | undefined
  rules: Rules
  secrets: Secrets
  context(rules: Rules, book: HealthBook): LlmContext
  /** Holds MCP tools to what was approved of them. */
  pins: Pick<ToolPins, 'judge' | 'mayCall'>
  /** Where the tokens are that users got for MCP servers. */
  tokens: TokenStore
  /** Told of finished MCP requests. */
  mcpFinished(record: McpRecord): void
  /** Whose tasks of agents are whose; default: as this process knows. */
  taskOwners?: Owners | undefined
  /** Told of calls of agents. */
  a2aHearers?: Partial<Hearers> | undefined
  /** Told of what was decided about calls to elsewhere. */
  egressFinished?: ((record: EgressRecord) => void) | undefined
  /** Where clients' callbacks are kept; default: in this process. */
  push?: PushParts | undefined
  /** Told of what becomes of notifications. */
  notified?: ((record: NotificationRecord) => void) | undefined
  governance: GovernanceParts
  /** Whether Envoy is on this machine and has the same files; default: that is not known. */
  envoyHere?: boolean | undefined
  /** For what the rules name no keys for; default: keys of its own. */
  keys?: ProcessKeys | undefined
  /** The Envoy that is told of rules by somebody else; default: Envoys are told by this service. */
  attached?: Pick<AttachedEnvoy, 'missing'> | undefined
  report(error: unknown, requestId: string): void
  events?: {
    connected?(node: string): void
    disconnected?(node: string): void
    rejected?(rejection: Rejection): void
  }
}

/** How a change of rules went. */
export type ApplyOutcome =
  | { type: 'applied'; nodes: number; silent: string[] }
  /** Envoy refused the configuration; the last good rules stay. */
  | { type: 'rejected'; rejections: Rejection[] }
  /** An Envoy that somebody else tells what it is to do does not have these clusters yet; the last good rules stay. */
  | { type: 'waiting'; missing: string[] }

const cannotBeAsked = (error: Error) => [`everything: Envoy's admin interface does not answer (${error.message})`]

/** One set of rules at work: what stage 1 asks. */
interface Revision {
  rules: Rules
  config: EnvoyConfig
  protocol: Protocol
  /** The hosts whose calls are read when they are caught. */
  known: KnownHosts
  /** Done when it comes into force. */
  activate(): void
}

/** Old clusters stay at least this long, for requests decided just before the rules changed. */
const retireAfterMs = 30_000
/** New clusters may have to resolve a name first. */
const warmUpMs = 300

/**
 * The service: the Envoy-facing server, the plans and the rules in force. New rules are compiled aside, told to every
 * Envoy, and only then decided by; what they no longer need is taken away when the plans of the old ones have ended.
 */
export class Gateway {
  readonly plans = new PlanStore()
  readonly health = new HealthBook()
  readonly discovery: DiscoveryService
  readonly #options: GatewayOptions
  readonly #server: EnvoyServer
  readonly #mcp: McpState
  readonly #a2a: A2aState
  readonly #egress: EgressState
  #current: Revision
  #changes: Promise<unknown> = Promise.resolve()
  #retireTimer: NodeJS.Timeout | undefined

  /** @throws {RangeError} where the rules cannot be carried out */
  constructor(options: GatewayOptions) {
    this.#options = options
    this.discovery = new DiscoveryService({ ...options.events, demanded: (name) => this.#certificate(name) })
    this.#egress = new EgressState(egressNames, options.keys?.seal ?? randomBytes(32), noServerName, () =>
      this.discovery.renewDemanded(),
    )
    const own = {
      egressSocket: egressSocket(options.socket),
      clusterHeader,
      secrets: options.secrets,
      report: options.report,
    }
    const { tokens, taskOwners: owners, a2aHearers: hearers, keys, push, notified } = options
    this.#mcp = new McpState({ ...own, tokens, ownKey: keys?.seal })
    this.#a2a = new A2aState({ ...own, owners, hearers, push, notified, ownKey: keys?.signing })
    this.#current = this.#compile(options.rules)
    this.#current.activate()
    this.#server = new EnvoyServer({
      socket: options.socket,
      transport: options.transport,
      protocol: {
        decide: (request: AgentRequest): Decision | Promise<Decision> => this.#current.protocol.decide(request),
      },
      plans: this.plans,
      discovery: this.discovery,
      // The listeners' own limits come first; this one only bounds what a gRPC message may be.
      maxMessageBytes: 257 * 1024 * 1024,
      report: options.report,
    })
  }

  get rules(): Rules {
    return this.#current.rules
  }

  /** Envoy's configuration under the rules in force. */
  get envoyConfig(): EnvoyConfig {
    return this.#current.config
  }

  /** @throws {RangeError} where the rules cannot be carried out */
  async start(): Promise<void> {
    const activate = await this.#egress.prepare(this.#current.rules, this.#current.known)
    activate()
    await this.discovery.publish(encodeConfig(this.#current.config))
    await this.#server.listen()
  }

  /**
   * Puts new rules into force, after the changes before it.
   * @throws {RangeError} where the rules cannot be carried out; nothing has changed then
   */
  apply(rules: Rules): Promise<ApplyOutcome> {
    const change = this.#changes.then(() => this.#apply(rules))
    this.#changes = change.catch(() => undefined)
    return change
  }

  /** Other MCP tools are approved than before. */
  toolsChanged(): void {
    this.#mcp.toolsChanged()
  }

  /** How many notifications of agents wait to be delivered. @returns undefined where none are taken */
  notificationsWaiting(): Promise<number | undefined> {
    return this.#a2a.notificationsWaiting()
  }

  /** The path of the socket by which this process is reached though another one has the place. */
  get ownSocket(): string {
    return this.#server.ownSocket
  }

  /** Has Envoy come here again, where another process had it come there. */
  publish(): void {
    this.#server.publish()
  }

  /** @param socket the path of the process that takes this one's place, or whose place this one takes; none: it is gone */
  useNeighbour(socket: string | undefined): void {
    this.#server.useNeighbour(socket)
  }

  /** Another process has the place: finishes what is under way. @returns when that is done, or after `graceMs` */
  async leave(graceMs: number): Promise<void> {
    clearTimeout(this.#retireTimer)
    await Promise.all([this.#a2a.leave(graceMs), this.#server.leave(graceMs, () => this.#mcp.endStreams())])
  }

  /** Stops to answer Envoy; plans are settled. */
  async stop(graceMs: number): Promise<void> {
    clearTimeout(this.#retireTimer)
    this.#mcp.endStreams()
    await this.#server.stop(graceMs)
    await this.#mcp.stop()
    await this.#a2a.stop(graceMs)
    this.#egress.stop()
    this.plans.stop()
  }

  async #apply(rules: Rules): Promise<ApplyOutcome> {
    const next = this.#compile(rules)
    // Where Envoy cannot be asked it is being started anew, perhaps with what the rules need.
    const missing = (await this.#options.attached?.missing(next.config).catch(cannotBeAsked)) ?? []
    if (missing.length > 0) return { type: 'waiting', missing }
    const activateEgress = await this.#egress.prepare(rules, next.known)
    const before = encodeConfig(this.#current.config)
    const { nodes, rejections, silent } = await this.discovery.publish(encodeConfig(next.config))
    if (rejections.length > 0) {
      // Back to what every Envoy had accepted.
      await this.discovery.publish(before)
      return { type: 'rejected', rejections }
    }
    if (nodes > 0 && hasNewClusters(this.#current.config, next.config))
      await new Promise((resolve) => setTimeout(resolve, warmUpMs))
    this.#current = next
    next.activate()
    activateEgress()
    this.#retireLater()
    return { type: 'applied', nodes, silent }
  }

  #compile(rules: Rules): Revision {
    const files = checkNamedFiles(rules, this.#options.envoyHere === true)
    if (files.length > 0)
      throw new RangeError(files.map(({ path, message }) => `${pathText(path)}: ${message}`).join('; '))
    const compiler = new ExpressionCompiler(Object.keys(rules.budgets))
    const llm = compileLlm(rules, this.#options.secrets, this.health, compiler)
    const governance = compileGovernance(rules, this.#options.governance, compiler)
    const decisions = {
      judge: judgeOf(governance),
      approval: approvalOf(governance, rules.mcp, compiler),
      approvers: approversOf(governance, rules.mcp, compiler),
      filter: filterOf(this.#options.pins, rules.mcp),
    }
    const mcp = this.#mcp.compile(rules.mcp, gateOf(rules, governance), decisions, {
      admit: admitterOf(governance),
      finished: this.#options.mcpFinished,
      report: this.#options.report,
    })
    const topology = topologyOf(llm.topology, rules)
    const agents = Object.keys(rules.a2a.agents).length > 0 ? this.#a2a.compile(rules, governance, compiler) : undefined
    const protocol = new LlmProtocol(llm, governance, this.#options.context(rules, this.health))
    const egress = this.#egress.compile(rules, {
      llm: protocol,
      a2a: agents?.protocol,
      mcp: mcp.single,
      identify: (listener, headers) => governance.identify(listener, headers),
      condition: (expression, otherwise) => compiler.condition(expression, otherwise),
      finished: this.#options.egressFinished ?? (() => undefined),
    })
    return {
      rules,
      config: envoyConfig(rules, topology, this.#options.socket, {
        resolve: (reference) => this.#options.secrets.resolve(reference),
        document: (text) => this.#options.secrets.document?.(text) ?? text,
      }),
      protocol: new Protocols({
        llm: protocol,
        mcp: mcpTopology(rules.mcp).responds ? mcp.protocol : undefined,
        a2a: agents?.protocol,
        http: new HttpProtocol(governance, rules.http.routes),
        mounts: mountsOf(rules),
        egress: egress.protocol,
      }),
      known: egress.known,
      activate: () => {
        mcp.activate()
        if (agents) agents.activate()
        else this.#a2a.rest()
      },
    }
  }

  async #certificate(name: string) {
    const issued = await this.#egress.certificateFor(name)
    return issued && encodeSecret(name, issued)
  }

  #retireLater(): void {
    clearTimeout(this.#retireTimer)
    const old = this.plans.newest
    const retire = () => {
      // A plan under the old rules may still fail over to a cluster that only they had.
      if (this.plans.hasUpTo(old)) {
        this.#retireTimer = setTimeout(retire, 1_000)
        return
      }
      this.#changes = this.#changes.then(() => this.discovery.retire()).catch(() => undefined)
    }
    this.#retireTimer = setTimeout(retire, retireAfterMs)
    this.#retireTimer.unref()
  }
}

/** What Envoy must know of all protocols. @param llm what it must know of models */
export function topologyOf(llm: Topology, rules: Rules): Topology {
  const topology = withA2a(withMcp(llm, rules.mcp), rules.a2a)
  return servesEgress(rules) ? { ...topology, plain: new KnownHosts(rules).plain } : topology
}

/** The same with MCP servers. */
function withMcp(topology: Topology, rule: Rules['mcp']): Topology {
  const { upstreams, pools, routeClasses, responds } = mcpTopology(rule)
  return {
    upstreams: [...topology.upstreams, ...upstreams],
    pools: [...topology.pools, ...pools],
    routeClasses: [...topology.routeClasses, ...routeClasses],
    ...(responds !== undefined && { responds }),
  }
}

/** The same with agents. */
function withA2a(topology: Topology, rule: Rules['a2a']): Topology {
  const { upstreams, responds } = a2aTopology(rule)
  return {
    ...topology,
    upstreams: [...topology.upstreams, ...upstreams],
    responds: topology.responds === true || responds === true,
  }
}

interface AllProtocols {
  readonly llm: Protocol
  readonly mcp: Protocol | undefined
  readonly a2a: Protocol | undefined
  readonly http: Protocol
  readonly egress: Protocol
  /** What routes of the rules lead to AI traffic, by their names. */
  readonly mounts: ReadonlyMap<string, AiMount>
}

interface AiMount extends Mount {
  readonly mode: 'llm' | 'mcp' | 'a2a'
  readonly models?: ReadonlySet<string>
}

function mountsOf(rules: Rules): ReadonlyMap<string, AiMount> {
  const mounts = new Map<string, AiMount>()
  for (const route of rules.http.routes) {
    const { name, ai } = route
    if (!ai) continue
    const mode = ai.models ? 'llm' : ai.mcp !== undefined ? 'mcp' : 'a2a'
    mounts.set(name, { ...mountOf(route), mode, ...(ai.models && { models: new Set(ai.models) }) })
  }
  return mounts
}

/** Which protocol a request is of: its route says, or its path. */
class Protocols implements Protocol {
  readonly #protocols: AllProtocols

  constructor(protocols: AllProtocols) {
    this.#protocols = protocols
  }

  decide(request: AgentRequest): Decision | Promise<Decision> {
    const { llm, mcp, a2a, http, egress, mounts } = this.#protocols
    if (request.route !== undefined) {
      const mount = mounts.get(request.route)
      if (!mount) return http.decide(request)
      const { mode, outer, inner, models } = mount
      const mounted = { ...request, path: innerPath(mount, request.path), mount: { outer, inner }, models }
      return ((mode === 'mcp' ? mcp : mode === 'a2a' ? a2a : undefined) ?? llm).decide(mounted)
    }
    if (request.egress !== undefined) return egress.decide(request)
    if (mcp && isMcpPath(request.path)) return mcp.decide(request)
    if (a2a && isA2aPath(request.path)) return a2a.decide(request)
    return isGrpc(request) ? { type: 'answer', answer: noSuchService() } : llm.decide(request)
  }
}

function isGrpc({ headers }: AgentRequest): boolean {
  return headers.get('content-type')?.startsWith('application/grpc') === true
}

/** To gRPC that is for nobody here. */
const noSuchService = (): LocalAnswer => ({
  status: 200,
  headers: [
    ['content-type', 'application/grpc'],
    ['grpc-status', '12'],
    ['grpc-message', 'There is no such gRPC service here'],
  ],
  body: '',
})

/** The issuers whose tokens a listener takes, by listener; empty where it takes none. */
function issuersOf({ listeners, identities }: Rules): ReadonlyMap<string, readonly string[]> {
  const issuers = [...new Set(Object.values(identities.issuers).map(({ issuer }) => issuer))]
  return new Map(
    Object.entries(listeners).map(([name, { identity }]) => [name, identity.accept.includes('jwt') ? issuers : []]),
  )
}

function gateOf(rules: Rules, governance: Governance): Gate {
  const issuers = issuersOf(rules)
  return {
    listenerOf: (port) => governance.listenerOf(port),
    identify: (listener, headers) => governance.identify(listener, headers),
    issuersOf: (listener) => issuers.get(listener) ?? [],
  }
}

/** Which tools the pins let through, by what the rules say of each server. */
function filterOf(pins: GatewayOptions['pins'], { servers }: Rules['mcp']): ToolFilter {
  const policies = new Map(Object.entries(servers).map(([name, rule]) => [name, rule.pins]))
  return {
    listed: (server, tools) => pins.judge(server, policies.get(server) ?? 'off', tools).listed,
    mayCall: (server, tool) => pins.mayCall(server, policies.get(server) ?? 'off', tool),
  }
}

function hasNewClusters(before: EnvoyConfig, after: EnvoyConfig): boolean {
  for (const name of after.cluster.keys()) if (!before.cluster.has(name)) return true
  return false
}
