import { type KeyObject, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { A2aAgentRule, A2aRule } from '../config/a2a.ts'
import type { Rules } from '../config/schema.ts'
import type { Governance } from '../governance/governance.ts'
import { KeySets } from '../identity/jwks.ts'
import { OAuthHttp } from '../mcp/oauth/http.ts'
import { serverCredentials } from '../mcp/oauth/server-credentials.ts'
import type { SealKey } from '../mcp/seal.ts'
import { Egress } from '../mcp/server/egress.ts'
import type { ExpressionCompiler } from '../policy/expression.ts'
import type { Facts } from '../policy/facts.ts'
import type { Topology } from '../protocol.ts'
import { Agent } from './agent/agent.ts'
import { placesOf } from './agent/places.ts'
import { checkedCallbacks, noCallbacks } from './callbacks.ts'
import { OpenTrees } from './delegation/open-trees.ts'
import { delegationReader } from './delegation/reader.ts'
import { Delegations } from './delegation/standing.ts'
import { verifierOf } from './delegation/trust.ts'
import type { Hearers } from './front/account.ts'
import { Calls } from './front/calls.ts'
import { Cards, keySetPath } from './front/cards.ts'
import type { A2aContext, Offered } from './front/context.ts'
import { type Governor, governorOf } from './governed.ts'
import { AgentNames } from './grpc/agent-names.ts'
import { A2aProtocol } from './protocol.ts'
import type { NotificationRecord } from './push/record.ts'
import { askerFrom } from './push/registration.ts'
import { type CompiledRelay, Relay, targetCheckOf } from './push/relay.ts'
import { MemoryPushStore } from './push/store/memory-push-store.ts'
import type { PushStore } from './push/store/push-store.ts'
import { keySet, makeSigningKey, readSigningKey, type SigningKey } from './signing-key.ts'
import { MemoryOwners } from './tasks/memory-owners.ts'
import type { Owners } from './tasks/owners.ts'

/** What A2A needs of the rest of the gateway, whatever the rules. */
export interface A2aOptions {
  /** Path of the unix socket of Envoy's listener for the service's own calls. */
  egressSocket: string
  clusterHeader: string
  secrets: { resolve(reference: string): string }
  /** Whose tasks are whose; default: as this process knows. */
  owners?: Owners | undefined
  /** Signs where the rules have no key; default: one of its own. */
  ownKey?: KeyObject | undefined
  /** Told of calls. */
  hearers?: Partial<Hearers> | undefined
  /** Where clients' callbacks are kept; default: in this process. */
  push?: PushParts | undefined
  /** Told of what becomes of notifications. */
  notified?: ((record: NotificationRecord) => void) | undefined
  report(error: unknown, requestId: string): void
}

/** Where clients' callbacks are kept. */
export interface PushParts {
  readonly store: PushStore
  /** Keys of this machine's own to seal them, beside those of the rules. @throws {Error} where they cannot be had */
  keys(): readonly SealKey[]
}

/** The protocol under one revision of the rules, and what is to be done when it comes into force. */
export interface CompiledA2a {
  readonly protocol: A2aProtocol
  activate(): void
}

/** What of A2A lives longer than a revision of the rules: agents with their cards, tokens, owners of tasks. */
export class A2aState {
  readonly #options: A2aOptions
  readonly #egress: Egress
  readonly #http = new OAuthHttp()
  readonly #owners: Owners
  readonly #keySets: KeySets
  readonly #relay: Relay
  #kept: ReadonlyMap<string, Offered> = new Map()
  #places: OwnPlaces | undefined
  #ownKey: Promise<SigningKey> | undefined

  constructor(options: A2aOptions) {
    this.#options = options
    this.#egress = new Egress(options.egressSocket, options.clusterHeader)
    this.#owners = options.owners ?? new MemoryOwners()
    const report = (error: unknown) => options.report(error, '')
    this.#keySets = new KeySets({ report })
    const ownSeal = { id: 'p', secret: randomBytes(32) }
    this.#relay = new Relay({
      ...(options.push ?? { store: new MemoryPushStore(), keys: () => [ownSeal] }),
      owners: this.#owners,
      secrets: options.secrets,
      notified: options.notified ?? (() => undefined),
      report,
    })
  }

  /**
   * The protocol under one revision of the rules.
   * @throws {RangeError} where the rules cannot be carried out
   */
  compile(rules: Rules, governance: Governance, compiler: ExpressionCompiler): CompiledA2a {
    const { a2a } = rules
    const { report } = this.#options
    const given = signerOf(a2a)
    const signer = async () => given ?? (await this.#processKey())
    const agents = this.#agents(rules)
    const governor = governorOf(governance)
    const delegations = new Delegations<Facts>(a2a, {
      compile: (expression, otherwise) => compiler.condition(expression, otherwise),
      verify: verifierOf(a2a.delegation, signer, this.#keySets),
      signer,
    })
    governance.readDelegation = delegationReader(delegations)
    const { callbacks, receiver, activate } = this.#push(rules, governor, delegations, given)
    const context: A2aContext = {
      agents,
      governor,
      delegations,
      owners: this.#owners,
      taskOwner: a2a.taskOwner,
      trees: new OpenTrees(this.#owners),
      callbacks,
      sampling: rules.telemetry.sampling,
      hearers: { finished: () => undefined, stream: () => undefined, ...this.#options.hearers },
      report,
    }
    const names = new AgentNames(a2a.agents)
    const cards = new Cards(context, {
      listeners: rules.listeners,
      grpcHost: a2a.grpcHost,
      onlyOneByGrpc: names.only !== undefined,
      signer: given,
      push: callbacks.offered,
    })
    const protocol = new A2aProtocol({
      agents,
      names,
      gate: governance,
      cards,
      calls: new Calls(context, cards),
      receiver,
      base: a2a.baseUrl?.replace(/\/$/, ''),
      limitOf: (listener) => rules.listeners[listener]?.maxRequestBytes ?? Number.POSITIVE_INFINITY,
      keySet: async () => JSON.stringify(keySet([await signer()])),
      finished: context.hearers.finished,
      report,
    })
    return { protocol, activate }
  }

  /** No agents are in the rules any more. */
  rest(): void {
    this.#relay.rest()
  }

  /** How many notifications wait to be delivered. @returns undefined where none are taken */
  async notificationsWaiting(): Promise<number | undefined> {
    return this.#relay.waiting()
  }

  /** Another process has the place: notifications are its affair. @param graceMs how long those that are being delivered may take */
  async leave(graceMs: number): Promise<void> {
    await this.#relay.leave(graceMs)
  }

  /** @param graceMs how long notifications that are being delivered may take */
  async stop(graceMs: number): Promise<void> {
    await this.#relay.stop(graceMs)
    await this.#egress.close()
    await this.#http.close()
  }

  /** Agents whose rule has not changed keep their cards and tokens. */
  #agents(rules: Rules): ReadonlyMap<string, Offered> {
    const places = ownPlaces(rules)
    const own = (url: URL) => isOwn(places, url)
    const kept = isDeepStrictEqual(places, this.#places) ? this.#kept : new Map<string, Offered>()
    const next = new Map<string, Offered>()
    for (const [name, rule] of Object.entries(rules.a2a.agents)) {
      const before = kept.get(name)
      next.set(name, before && isDeepStrictEqual(before.agent.rule, rule) ? before : this.#agent(name, rule, own))
    }
    this.#kept = next
    this.#places = places
    return next
  }

  #agent(name: string, rule: A2aAgentRule, own: (url: URL) => boolean): Offered {
    const { secrets } = this.#options
    return {
      agent: new Agent(name, rule, this.#egress, own),
      credentials: serverCredentials({ name, url: rule.url }, rule.credential, { secrets, http: this.#http }),
    }
  }

  #push(
    rules: Rules,
    governor: Governor,
    delegations: Delegations<Facts>,
    signer: SigningKey | undefined,
  ): CompiledRelay {
    const { a2a, listeners } = rules
    const { push, baseUrl, delegation } = a2a
    const rest = () => this.#relay.rest()
    switch (push.mode) {
      case 'off':
        return { callbacks: noCallbacks(), receiver: undefined, activate: rest }
      case 'allow':
        return { callbacks: checkedCallbacks(targetCheckOf(push)), receiver: undefined, activate: rest }
      case 'relay':
        return this.#relay.compile({
          ...{ a2a, listeners },
          signer: signer && {
            key: signer,
            issuer: baseUrl ?? delegation.issuer,
            jku: baseUrl && baseUrl.replace(/\/$/, '') + keySetPath,
          },
          agentOf: (identity) => delegations.agentOf(identity),
          guards: ({ agent, asker }) =>
            governor.guards(askerFrom(asker, ''), {
              agent,
              operation: 'streamMessage',
              skill: '',
              depth: 0,
              from: undefined,
            }),
        })
    }
  }

  #processKey(): Promise<SigningKey> {
    this.#ownKey ??= makeSigningKey(this.#options.ownKey)
    return this.#ownKey
  }
}

/** What Envoy must know of agents. @throws {RangeError} where a URL cannot be used */
export function a2aTopology({ agents }: A2aRule): Topology {
  const entries = Object.entries(agents)
  return {
    upstreams: entries.flatMap(([name, rule]) => placesOf(name, rule)),
    pools: [],
    routeClasses: [],
    responds: entries.length > 0,
  }
}

/** @throws {RangeError} where the key is none, or not one for the algorithm */
function signerOf({ signer }: A2aRule): SigningKey | undefined {
  if (!signer) return undefined
  try {
    return readSigningKey(readFileSync(signer.keyFile, 'utf8'), signer.algorithm, signer.id)
  } catch (error) {
    throw new RangeError(`a2a.signer.keyFile: ${(error as Error).message}`)
  }
}

/** Where the gateway itself can be asked, as far as that can be told. */
interface OwnPlaces {
  readonly origin: string | undefined
  readonly ports: readonly number[]
  /** Hosts of gRPC, with ports or without. */
  readonly hosts: readonly string[]
}

function ownPlaces({ a2a, listeners }: Rules): OwnPlaces {
  const hosts = [a2a.grpcHost, ...Object.values(a2a.agents).map(({ offer }) => offer.grpcHost)]
  return {
    origin: a2a.baseUrl === undefined ? undefined : new URL(a2a.baseUrl).origin,
    ports: Object.values(listeners).map(({ port }) => port),
    hosts: hosts.filter((host) => host !== undefined),
  }
}

/** Whether a URL is this gateway's own: it would ask itself for ever. */
function isOwn({ origin, ports, hosts }: OwnPlaces, url: URL): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const here = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
  const named = hosts.includes(url.hostname) || hosts.includes(`${url.hostname}:${port}`)
  return url.origin === origin || named || (here && ports.includes(port))
}
