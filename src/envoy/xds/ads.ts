import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from '#gen/envoy/service/discovery/v3/discovery_pb.js'
import type { GrpcCall, GrpcReceiver } from '../h2/server.ts'
import { noServerName } from '../names.ts'
import { type ResourceType, resourceTypes, typeUrls } from './registry.ts'
import { emptyResourceSet, type ResourceSet, type VersionedResource } from './resources.ts'

/** A resource that an Envoy would not take, and what it said. */
export interface Rejection {
  node: string
  type: ResourceType
  message: string
}

/** How a publication went. */
export interface PublishOutcome {
  /** Envoys that were connected. */
  nodes: number
  rejections: Rejection[]
  /** Envoys that did not answer in time. */
  silent: string[]
}

export interface DiscoveryEvents {
  /** Gives a secret that is in no set, when an Envoy asks for it; undefined: there is none of this name. */
  demanded?(name: string): Promise<VersionedResource | undefined>
  connected?(node: string): void
  disconnected?(node: string): void
  rejected?(rejection: Rejection): void
}

const typeOfUrl = new Map<string, ResourceType>(resourceTypes.map((type) => [typeUrls[type], type]))

/**
 * The control plane: incremental ADS (xDS protocol, "Aggregated Discovery Services", delta variant).
 *
 * A publication goes to every connected Envoy type by type, clusters first and routes last, each type when the one
 * before it was acknowledged. Nothing is removed by it: what the new set lacks stays until `retire`, so that requests
 * decided under the old rules still find their clusters. A resource is sent when its content hash differs from what
 * that Envoy was last sent; one that was refused is not sent again until it changes.
 */
export class DiscoveryService {
  #set: ResourceSet = emptyResourceSet()
  /** Resources of earlier sets that may still be in use. */
  #served: ResourceSet = emptyResourceSet()
  readonly #streams = new Set<DiscoveryStream>()
  readonly #events: DiscoveryEvents

  constructor(events: DiscoveryEvents = {}) {
    this.#events = events
  }

  /** The nodes connected now. */
  get nodes(): string[] {
    return [...this.#streams].map((stream) => stream.node)
  }

  /** Whether some Envoy is connected and has acknowledged everything. */
  get settled(): boolean {
    return this.#streams.size > 0 && [...this.#streams].every((stream) => stream.settled)
  }

  /** The gRPC method that is served. */
  readonly path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

  /** An Envoy begins its stream. */
  open(call: GrpcCall): GrpcReceiver {
    const gone = () => {
      if (!this.#streams.delete(stream)) return
      stream.close()
      this.#events.disconnected?.(stream.node)
    }
    const ended = () => {
      gone()
      call.end()
    }
    const stream = new DiscoveryStream(call, () => this.#served, this.#events, ended)
    this.#streams.add(stream)
    return {
      message: (bytes) => stream.receive(fromBinary(DeltaDiscoveryRequestSchema, bytes)),
      end: ended,
      closed: gone,
    }
  }

  /** Ends every stream: the Envoys begin new ones, where another process has the socket there. */
  end(): void {
    for (const stream of [...this.#streams]) stream.end()
  }

  /**
   * Sends what is new or changed to every connected Envoy, and serves it to those that come later.
   * @returns when each has answered, or after `timeoutMs`
   */
  async publish(set: ResourceSet, timeoutMs = 10_000): Promise<PublishOutcome> {
    const [lastSet, lastServed] = [this.#set, { ...this.#served }]
    this.#set = set
    for (const type of resourceTypes) this.#served[type] = new Map([...this.#served[type], ...set[type]])
    const outcome: PublishOutcome = { nodes: this.#streams.size, rejections: [], silent: [] }
    await Promise.all(
      [...this.#streams].map(async (stream) => {
        const rejections = await stream.update(set, timeoutMs)
        if (rejections === 'silent') outcome.silent.push(stream.node)
        else outcome.rejections.push(...rejections)
      }),
    )
    if (outcome.rejections.length > 0) {
      // An Envoy that comes now is not to be told of what is refused, nor are others again.
      this.#set = lastSet
      this.#served = lastServed
    }
    return outcome
  }

  /** Gives secrets that were asked for by name again: they are others now. */
  renewDemanded(): void {
    for (const stream of this.#streams) stream.renewDemanded()
  }

  /** Takes away what the last published set does not hold: routes first, clusters last. */
  async retire(timeoutMs = 10_000): Promise<void> {
    this.#served = { ...this.#set }
    await Promise.all([...this.#streams].map((stream) => stream.remove(timeoutMs)))
  }
}

/** What one Envoy knows of one resource type. */
interface Subscription {
  wildcard: boolean
  names: Set<string>
  /** Versions last sent. */
  sent: Map<string, string>
  /** The response not yet answered, or undefined. */
  pending:
    | {
        nonce: string
        /** Of the resources in it. */
        names: readonly string[]
        answered: (rejection: Rejection | undefined) => void
        answer: Promise<Rejection | undefined>
      }
    | undefined
}

/** Names of secrets that are in no set: server names that clients asked for, and what stands for none. */
function isDemanded(name: string): boolean {
  return !name.includes('/') || name === noServerName
}

/** Clusters ask for their secrets as soon as they are there; listeners' secrets are asked for later. */
const soonMs = 250

/** One Envoy's stream. */
class DiscoveryStream {
  node = 'unknown'
  readonly end: () => void
  readonly #call: GrpcCall
  readonly #served: () => ResourceSet
  readonly #events: DiscoveryEvents
  readonly #subscriptions = new Map<ResourceType, Subscription>()
  /** Secrets that are in no set, by the names that Envoy asked for. */
  readonly #demanded = new Set<string>()
  #nonce = 0
  /** Told of the next message. */
  #listening: (() => void)[] = []
  /** Told of every refusal. */
  #refused: (rejection: Rejection) => void = () => undefined
  /** What refused updates have brought. */
  readonly #leftover: [ResourceType, string][] = []
  #work: Promise<unknown> = Promise.resolve()

  /** @param end ends it */
  constructor(call: GrpcCall, served: () => ResourceSet, events: DiscoveryEvents, end: () => void) {
    this.end = end
    this.#call = call
    this.#served = served
    this.#events = events
  }

  get settled(): boolean {
    return (
      this.#subscriptions.has('cluster') &&
      this.#subscriptions.has('listener') &&
      [...this.#subscriptions.values()].every((subscription) => subscription.pending === undefined)
    )
  }

  receive(request: DeltaDiscoveryRequest): void {
    if (request.node?.id && this.node === 'unknown') {
      this.node = request.node.id
      this.#events.connected?.(this.node)
    }
    const type = typeOfUrl.get(request.typeUrl)
    if (!type) return // a type we do not serve: never answered, as the protocol allows
    let subscription = this.#subscriptions.get(type)
    const first = subscription === undefined
    if (!subscription) {
      subscription = {
        wildcard: (type === 'cluster' || type === 'listener') && request.resourceNamesSubscribe.length === 0,
        names: new Set(),
        sent: new Map(Object.entries(request.initialResourceVersions)),
        pending: undefined,
      }
      this.#subscriptions.set(type, subscription)
    }
    if (request.responseNonce !== '') this.#answered(type, subscription, request)
    let subscribed = first
    for (const name of request.resourceNamesSubscribe) {
      if (name === '*') subscription.wildcard = true
      subscription.names.add(name)
      // A subscription is always answered, even for something sent before.
      subscription.sent.delete(name)
      subscribed = true
      if (type === 'secret' && isDemanded(name)) void this.#demand(subscription, name)
    }
    for (const name of request.resourceNamesUnsubscribe) {
      if (type === 'secret') this.#demanded.delete(name)
      if (name === '*') subscription.wildcard = false
      subscription.names.delete(name)
      subscription.sent.delete(name)
    }
    if (subscribed) void this.#send(type, subscription, false)
    for (const heard of this.#listening.splice(0)) heard()
  }

  renewDemanded(): void {
    const subscription = this.#subscriptions.get('secret')
    if (subscription) for (const name of this.#demanded) void this.#demand(subscription, name)
  }

  /** Answers for a secret that is in no set. What there is not is said to be gone, so that Envoy does not wait for it. */
  async #demand(subscription: Subscription, name: string): Promise<void> {
    if (!this.#events.demanded) return
    const made = await this.#events.demanded(name).catch(() => undefined)
    // Envoy may have gone, or want it no more.
    if (!subscription.names.has(name) || this.#subscriptions.get('secret') !== subscription) return
    if (made) this.#demanded.add(name)
    else this.#demanded.delete(name)
    void this.#write('secret', subscription, made ? [{ name, ...made }] : [], made ? [] : [name])
  }

  /** Sends all that changed, type after type, until something is refused. @param set what was published last */
  update(set: ResourceSet, timeoutMs: number): Promise<Rejection[] | 'silent'> {
    return this.#inTurn(async () => {
      // Whatever Envoy refuses meanwhile counts: a cluster that waits for a secret that is refused is never answered.
      const refusal = new Promise<Rejection>((resolve) => {
        this.#refused = resolve
      })
      const known = new Map([...this.#subscriptions].map(([type, { sent }]) => [type, new Set(sent.keys())]))
      // Listeners ask for their secrets only now.
      for (const type of [...resourceTypes, 'secret'] as const) {
        const refused = type === 'listener' ? await this.#tryOut(set, timeoutMs) : undefined
        // An Envoy with listeners of its own asks for what it wants of them.
        const oursAlone = this.#subscriptions.get('listener')?.wildcard === true
        if (type === 'route' && oursAlone) await this.#untilSubscribed(type, set[type], timeoutMs)
        if (type === 'secret' && oursAlone) await this.#untilSubscribed(type, set[type], soonMs)
        const answer = refused ?? (await Promise.race([refusal, this.#sendAndWait(type, false, timeoutMs)]))
        if (answer === 'silent') return answer
        if (answer === undefined) continue
        for (const [type, { sent }] of this.#subscriptions)
          for (const name of sent.keys()) if (!known.get(type)?.has(name)) this.#leftover.push([type, name])
        return [answer]
      }
      await this.#removeLeftover(timeoutMs)
      return []
    })
  }

  /**
   * What an update brought that was refused in the end: Envoy keeps it otherwise, and takes a secret that it has refused without
   * a word when it comes again.
   */
  async #removeLeftover(timeoutMs: number): Promise<void> {
    const leftover = this.#leftover.splice(0)
    for (const type of [...resourceTypes].reverse()) {
      const subscription = this.#subscriptions.get(type)
      const names = leftover.flatMap(([its, name]) =>
        its === type && type !== 'route' && !this.#served()[type].has(name) ? [name] : [],
      )
      if (!subscription || names.length === 0) continue
      for (const name of names) subscription.sent.delete(name)
      await this.#inTime(this.#write(type, subscription, [], names), timeoutMs)
    }
  }

  /**
   * A listener whose routes get another name would have none where Envoy refuses them. So Envoy is shown such routes before, in
   * listeners that are nowhere and are taken away again.
   */
  async #tryOut({ trials }: ResourceSet, timeoutMs: number): Promise<Rejection | undefined | 'silent'> {
    const listeners = this.#subscriptions.get('listener')
    const known = this.#subscriptions.get('route')?.names
    const unknown = [...(trials ?? [])].filter(([routes]) => !known?.has(routes)).map(([, trial]) => trial)
    if (!listeners?.wildcard || unknown.length === 0) return undefined
    const answer = await this.#inTime(this.#write('listener', listeners, unknown, []), timeoutMs)
    const names = unknown.map(({ name }) => name)
    await this.#inTime(this.#write('listener', listeners, [], names), timeoutMs)
    return answer
  }

  /** Envoy asks for routes after it has taken the listeners that name them. */
  async #untilSubscribed(
    type: ResourceType,
    resources: ReadonlyMap<string, unknown>,
    timeoutMs: number,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs
    const missing = () => [...resources.keys()].some((name) => !this.#subscriptions.get(type)?.names.has(name))
    while (missing() && performance.now() < deadline) {
      const heard = new Promise<void>((resolve) => this.#listening.push(resolve))
      await this.#inTime(heard, deadline - performance.now())
    }
  }

  /** Sends the removals, in the opposite order. */
  remove(timeoutMs: number): Promise<void> {
    return this.#inTurn(async () => {
      for (const type of [...resourceTypes].reverse()) await this.#sendAndWait(type, true, timeoutMs)
    })
  }

  close(): void {
    for (const subscription of this.#subscriptions.values()) subscription.pending?.answered(undefined)
    this.#subscriptions.clear()
    for (const heard of this.#listening.splice(0)) heard()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#work.then(work)
    this.#work = turn.catch(() => undefined)
    return turn
  }

  async #sendAndWait(
    type: ResourceType,
    removals: boolean,
    timeoutMs: number,
  ): Promise<Rejection | undefined | 'silent'> {
    const subscription = this.#subscriptions.get(type)
    if (!subscription) return undefined
    // What was sent because Envoy asked for it may not be answered yet.
    const sent = this.#send(type, subscription, removals)
    if (type === 'cluster' && sent !== undefined) this.#sendEndpointsAgain(subscription)
    const answer = sent ?? subscription.pending?.answer
    if (!answer) return undefined
    return this.#inTime(answer, timeoutMs)
  }

  /**
   * A cluster that has changed waits for endpoints, which Envoy does not ask for again, and until it has them Envoy does not
   * answer for any cluster.
   */
  #sendEndpointsAgain({ pending }: Subscription): void {
    const endpoints = this.#subscriptions.get('endpoint')
    if (!endpoints) return
    const known = (pending?.names ?? []).filter((name) => endpoints.sent.delete(name))
    if (known.length > 0) void this.#send('endpoint', endpoints, false)
  }

  async #inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T | 'silent'> {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<'silent'>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, 'silent')
    })
    const result = await Promise.race([answer, silence])
    clearTimeout(timer)
    return result
  }

  /** @returns a promise of Envoy's answer, or undefined where there is nothing to send */
  #send(type: ResourceType, subscription: Subscription, removals: boolean): Promise<Rejection | undefined> | undefined {
    const served = this.#served()[type]
    const wanted = (name: string) => subscription.wildcard || subscription.names.has(name)
    const changed = [...served].filter(([name, { version }]) => wanted(name) && subscription.sent.get(name) !== version)
    // Envoy gives routes up by itself, with the last connection of the listener that had them, and takes no removal.
    const removable = removals && type !== 'route'
    const removed = removable ? [...subscription.sent.keys()].filter((name) => !served.has(name)) : []
    // The first answer to a wildcard subscription is sent even when empty: Envoy waits for it to finish its start.
    const greeting = subscription.wildcard && subscription.sent.size === 0 && subscription.pending === undefined
    if (changed.length === 0 && removed.length === 0 && !greeting) return undefined
    for (const [name, { version }] of changed) subscription.sent.set(name, version)
    for (const name of removed) subscription.sent.delete(name)
    const resources = changed.map(([name, { version, resource }]) => ({ name, version, resource }))
    return this.#write(type, subscription, resources, removed)
  }

  /** @returns a promise of Envoy's answer */
  #write(
    type: ResourceType,
    subscription: Subscription,
    resources: { name: string; version: string; resource: Any }[],
    removedResources: string[],
  ): Promise<Rejection | undefined> {
    const nonce = String(++this.#nonce)
    const earlier = subscription.pending
    let answered: (rejection: Rejection | undefined) => void = () => undefined
    const answer = new Promise<Rejection | undefined>((resolve) => {
      answered = (rejection) => {
        earlier?.answered(rejection)
        resolve(rejection)
      }
    })
    subscription.pending = { nonce, names: resources.map(({ name }) => name), answered, answer }
    this.#call.write(
      toBinary(
        DeltaDiscoveryResponseSchema,
        create(DeltaDiscoveryResponseSchema, {
          typeUrl: typeUrls[type],
          nonce,
          systemVersionInfo: nonce,
          resources,
          removedResources,
        }),
      ),
    )
    return answer
  }

  #answered(type: ResourceType, subscription: Subscription, request: DeltaDiscoveryRequest): void {
    const rejection: Rejection | undefined = request.errorDetail && {
      node: this.node,
      type,
      message: request.errorDetail.message,
    }
    if (rejection) {
      this.#events.rejected?.(rejection)
      this.#refused(rejection)
    }
    // An answer to an older response than the last says nothing of the last, but a refusal counts at once.
    if (subscription.pending?.nonce !== request.responseNonce && !rejection) return
    const { pending } = subscription
    subscription.pending = undefined
    // What was refused counts as not sent: it may come again, and is to be refused again.
    if (rejection) for (const name of pending?.names ?? []) subscription.sent.delete(name)
    pending?.answered(rejection)
  }
}
