import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Attributes, ObservableResult } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { NotificationRecord } from '../a2a/push/record.ts'
import type { A2aRecord, A2aStreamChange } from '../a2a/record.ts'
import type { EgressRecord } from '../egress/record.ts'
import { type Histogram, Histograms } from './histograms.ts'
import type { Caller, McpRecord, RefusalRecord, RequestRecord } from './record.ts'

/** One target's health, as the gauges show it. */
export interface UpstreamHealth {
  /** Name and address of the upstream, and the model. */
  target: string
  inFlight: number
  /** Moving average of the time to the first byte, ms; 0: nothing known. */
  latencyMs: number
  /** Whether it is left alone for a while. */
  out: boolean
}

/** How a change of rules went. */
export type RuleChange = 'applied' | 'rejected' | 'waiting' | 'invalid'

/** A counter that is only added to here and read when somebody asks: adding costs no more than adding. */
class Totals {
  readonly #byKey = new Map<string, { attributes: Attributes; total: number }>()

  /** @param key says the same as the attributes, made cheaply */
  add(key: string, amount: number, attributes: () => Attributes): void {
    const known = this.#byKey.get(key)
    if (known) known.total += amount
    else this.#byKey.set(key, { attributes: attributes(), total: amount })
  }

  observe = (result: ObservableResult): void => {
    for (const { attributes, total } of this.#byKey.values()) result.observe(total, attributes)
  }
}

/** Seconds; the buckets that the GenAI conventions recommend for server durations. */
const durationBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const firstTokenBuckets = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const perTokenBuckets = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
const tokenBuckets = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304]

/** The methods of MCP that become labels; others are `other`. */
const mcpMethods = new Set([
  'initialize',
  'ping',
  'server/discover',
  'subscriptions/listen',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'completion/complete',
  'logging/setLevel',
])

/** How many model names that only clients know may become labels, and how long they may be. */
const mostTeams = 500
const mostModels = 500
const longestModel = 200
/** How many of the words that providers have for their errors may become labels. */
const mostOutcomes = 100
const longestOutcome = 60
/** Milliseconds between two looks at the event loop. */
const loopResolution = 20

/**
 * The metrics of finished requests and of the service itself, for Prometheus. Names and buckets follow OpenTelemetry's
 * GenAI conventions where they have some; docs/observability.md lists them all. Every label is of a bounded set.
 */
export class Metrics {
  readonly #histograms = new Histograms()
  readonly #exporter = new PrometheusExporter({ preventServerStart: true, metricProducers: [this.#histograms] })
  readonly #serializer = new PrometheusSerializer('', false, undefined, true, true)
  readonly #provider = new MeterProvider({ readers: [this.#exporter] })
  readonly #requests = new Totals()
  readonly #tokens = new Totals()
  readonly #cost = new Totals()
  readonly #attempts = new Totals()
  readonly #refusals = new Totals()
  readonly #ruleChanges = new Totals()
  readonly #mcp = new Totals()
  readonly #pins = new Totals()
  readonly #mcpSeconds = new Totals()
  readonly #a2a = new Totals()
  readonly #a2aSeconds = new Totals()
  readonly #a2aStreams = new Totals()
  readonly #a2aEvents = new Totals()
  readonly #a2aOpen = new Totals()
  readonly #egress = new Totals()
  readonly #notifications = new Totals()
  readonly #duration: Histogram
  readonly #firstToken: Histogram
  readonly #perToken: Histogram
  readonly #tokenUsage: Histogram
  readonly #loopDelay = monitorEventLoopDelay({ resolution: loopResolution })
  readonly #attributes = new Map<string, Attributes>()
  readonly #models = new Set<string>()
  readonly #outcomes = new Set<string>()
  readonly #teams = new Set<string>()
  #revision = 1
  #appliedMs = Date.now()
  #envoys = 0
  #missing: number | undefined

  /** @param upstreams asked for when somebody reads the metrics, like `notificationsWaiting` */
  constructor(upstreams: () => Iterable<UpstreamHealth>, notificationsWaiting?: () => Promise<number | undefined>) {
    const meter = this.#provider.getMeter('chaperone')
    const counter = (name: string, description: string, totals: Totals) =>
      meter.createObservableCounter(name, { description }).addCallback(totals.observe)
    const gauge = (name: string, description: string, observe: (result: ObservableResult) => void | Promise<void>) =>
      meter.createObservableGauge(name, { description }).addCallback(observe)

    this.#duration = this.#histograms.create(
      'gen_ai.server.request.duration',
      's',
      'The whole request',
      durationBuckets,
    )
    this.#firstToken = this.#histograms.create(
      'gen_ai.server.time_to_first_token',
      's',
      'Of streams: from the start of the attempt that answered to its first byte',
      firstTokenBuckets,
    )
    this.#perToken = this.#histograms.create(
      'gen_ai.server.time_per_output_token',
      's',
      'Of whole streams: the time after the first byte, divided by the tokens after the first',
      perTokenBuckets,
    )
    this.#tokenUsage = this.#histograms.create(
      'gen_ai.client.token.usage',
      '{token}',
      'Tokens of one request',
      tokenBuckets,
    )
    counter('chaperone.requests', 'Finished requests', this.#requests)
    counter(
      'chaperone.tokens',
      'Tokens, by type; cached and cache-written ones are part of input, reasoning ones of output',
      this.#tokens,
    )
    counter('chaperone.cost.usd', 'What the requests cost, US dollars', this.#cost)
    counter('chaperone.refusals', 'Requests that the rules or their own form kept from any provider', this.#refusals)
    counter('chaperone.mcp.requests', 'Finished MCP requests', this.#mcp)
    counter('chaperone.mcp.pins', 'Tools that are not as they were approved', this.#pins)
    counter('chaperone.mcp.seconds', 'Time that MCP requests took, in all', this.#mcpSeconds)
    counter('chaperone.a2a.calls', 'Finished calls of agents', this.#a2a)
    counter('chaperone.a2a.seconds', 'Time that calls of agents took, in all', this.#a2aSeconds)
    counter('chaperone.a2a.streams', 'Finished streams of agents’ answers', this.#a2aStreams)
    counter('chaperone.a2a.events', 'Events that clients were sent in such streams', this.#a2aEvents)
    gauge('chaperone.a2a.open.streams', 'Streams under way, by the state of their task', this.#a2aOpen.observe)
    counter('chaperone.egress', 'Decisions about calls of agents to elsewhere', this.#egress)
    counter('chaperone.a2a.notifications', 'Notifications of agents, by what became of them', this.#notifications)
    gauge('chaperone.a2a.notifications.waiting', 'Notifications that wait to be delivered', async (result) => {
      // Where the store is away, nothing is known.
      const count = await notificationsWaiting?.().catch(() => undefined)
      if (count !== undefined) result.observe(count)
    })
    counter('chaperone.attempts', 'Attempts at targets, by what came of them', this.#attempts)
    counter('chaperone.rules.changes', 'Changes of the rules, by how they went', this.#ruleChanges)
    gauge('chaperone.rules.revision', 'Rules that have been in force since the start, counted', (result) =>
      result.observe(this.#revision),
    )
    gauge('chaperone.rules.applied.timestamp.seconds', 'When the rules in force came into force', (result) =>
      result.observe(this.#appliedMs / 1000),
    )
    gauge('chaperone.envoys', 'Envoys connected', (result) => result.observe(this.#envoys))
    gauge('chaperone.envoy.missing', 'Clusters that an attached Envoy lacks for the rules in force', (result) => {
      if (this.#missing !== undefined) result.observe(this.#missing)
    })
    gauge('chaperone.upstream.in_flight', 'Attempts under way', (result) => {
      for (const { target, inFlight } of upstreams()) result.observe(inFlight, { target })
    })
    gauge('chaperone.upstream.latency.seconds', 'Moving average of the time to the first byte', (result) => {
      for (const { target, latencyMs } of upstreams()) if (latencyMs > 0) result.observe(latencyMs / 1000, { target })
    })
    gauge('chaperone.upstream.out', '1 while a target is left alone after failures', (result) => {
      for (const { target, out } of upstreams()) result.observe(out ? 1 : 0, { target })
    })
    gauge('process.resident_memory.bytes', 'Resident memory of the service', (result) =>
      result.observe(process.memoryUsage.rss()),
    )
    gauge('nodejs.heap.used.bytes', 'Live and dead objects on the heap', (result) =>
      result.observe(process.memoryUsage().heapUsed),
    )
    gauge('nodejs.eventloop.delay.p99.seconds', 'Delay of the event loop since the last reading', (result) => {
      // What is measured is the time between two looks, the intended part of it included.
      result.observe(Math.max(0, this.#loopDelay.percentile(99) / 1e9 - loopResolution / 1000))
      this.#loopDelay.reset()
    })
    this.#loopDelay.enable()
  }

  /** Takes a finished request. */
  record(record: RequestRecord): void {
    const { operation, provider = '', usage, status, stream, firstByteMs } = record
    const base = `${operation}\n${this.#model(record)}\n${provider}\n${this.#team(record.caller)}`
    const attributes = this.#of(base, record)
    const same = () => attributes
    const outcome = outcomeOf(record)
    this.#requests.add(`${base}\n${status}\n${outcome}`, 1, () => ({ ...attributes, status: String(status), outcome }))
    for (const attempt of record.attempts) {
      const word = this.#attemptOutcome(attempt.outcome)
      this.#attempts.add(`${attempt.provider}\n${word}`, 1, () => ({ provider: attempt.provider, outcome: word }))
    }
    this.#duration.record(base, record.durationMs / 1000, same)
    // Of an answer that comes at once, the first byte is the last one as well; an error's says nothing of tokens.
    const streamed = stream && firstByteMs !== undefined && status >= 200 && status < 300
    if (streamed) this.#firstToken.record(base, firstByteMs / 1000, same)
    if (record.cost) this.#cost.add(base, record.cost.usd, same)
    if (!usage) return
    this.#token(base, attributes, 'input', usage.input)
    this.#token(base, attributes, 'output', usage.output)
    this.#token(base, attributes, 'cached_input', usage.cachedInput)
    this.#token(base, attributes, 'cache_write_input', usage.cacheWriteInput)
    this.#token(base, attributes, 'reasoning', usage.reasoning)
    // An estimate is better than nothing in a sum, and worse than nothing in a distribution.
    if (usage.estimated) return
    this.#tokenUsage.record(`${base}\ninput`, usage.input, () => ({ ...attributes, 'gen_ai.token.type': 'input' }))
    this.#tokenUsage.record(`${base}\noutput`, usage.output, () => ({ ...attributes, 'gen_ai.token.type': 'output' }))
    // The attempts that failed before are no part of the time a token takes.
    const answeringMs = record.attempts.at(-1)?.durationMs ?? 0
    if (streamed && outcome === 'ok' && usage.output > 1 && answeringMs > firstByteMs)
      this.#perToken.record(base, (answeringMs - firstByteMs) / 1000 / (usage.output - 1), same)
  }

  /** Takes a request that stage 1 refused. */
  refusal(record: RefusalRecord): void {
    const { operation, code } = record
    const team = this.#team(record)
    this.#refusals.add(`${operation}\n${code}\n${team}`, 1, () => ({ operation, code, team }))
  }

  mcp({ endpoint, method, era, server = '', reason = '', durationMs }: McpRecord): void {
    const known = mcpMethods.has(method) ? method : 'other'
    const key = `${endpoint}\n${known}\n${era}\n${server}\n${reason}`
    const attributes = () => ({ endpoint, method: known, era, server, reason })
    this.#mcp.add(key, 1, attributes)
    this.#mcpSeconds.add(key, durationMs / 1000, attributes)
  }

  a2a(record: A2aRecord): void {
    const { agent, binding, version, from = '', durationMs } = record
    const operation: string = record.operation ?? 'unknown'
    const error: string = record.error ?? ''
    const key = `${agent}\n${operation}\n${binding}\n${version}\n${from}\n${error}`
    const attributes = () => ({ agent, operation, binding, version, from, error })
    this.#a2a.add(key, 1, attributes)
    this.#a2aSeconds.add(key, durationMs / 1000, attributes)
    if (record.events === undefined) return
    const { state = '' } = record
    const end = record.aborted ? 'aborted' : record.error === undefined ? 'complete' : 'failed'
    this.#a2aStreams.add(`${agent}\n${binding}\n${state}\n${end}`, 1, () => ({ agent, binding, state, end }))
    this.#a2aEvents.add(`${agent}\n${binding}`, record.events, () => ({ agent, binding }))
  }

  /** A stream of an agent's answer begins, ends, or its task is in another state. */
  a2aStream({ agent, binding, from, to }: A2aStreamChange): void {
    const add = (state: string | undefined, amount: number) => {
      if (state !== undefined)
        this.#a2aOpen.add(`${agent}\n${binding}\n${state}`, amount, () => ({ agent, binding, state }))
    }
    add(from, -1)
    add(to, 1)
  }

  egress({ listener, action, rule = '', code = '', method }: EgressRecord): void {
    const kind = method === 'tunnel' ? 'tunnel' : 'request'
    const key = `${listener}\n${kind}\n${action}\n${rule}\n${code}`
    this.#egress.add(key, 1, () => ({ listener, kind, action, rule, code }))
  }

  notification({ agent, outcome }: NotificationRecord): void {
    this.#notifications.add(`${agent}\n${outcome}`, 1, () => ({ agent, outcome }))
  }

  /** A tool that is not as it was approved was seen for the first time. */
  pin({ server, why, held }: { server: string; why: string; held: boolean }): void {
    this.#pins.add(`${server}\n${why}\n${held}`, 1, () => ({ server, why, held }))
  }

  ruleChange(outcome: RuleChange): void {
    this.#ruleChanges.add(outcome, 1, () => ({ outcome }))
    if (outcome !== 'applied') return
    this.#revision++
    this.#appliedMs = Date.now()
  }

  /** @param count Envoys connected now */
  envoys(count: number): void {
    this.#envoys = count
  }

  /** @param count of clusters that Envoy lacks for the rules in force; -1 where it cannot be asked */
  envoyMissing(count: number): void {
    this.#missing = count
  }

  /** @returns everything in Prometheus' text format */
  async render(): Promise<string> {
    const { resourceMetrics } = await this.#exporter.collect()
    return this.#serializer.serialize(resourceMetrics)
  }

  async stop(): Promise<void> {
    this.#loopDelay.disable()
    await this.#provider.shutdown()
  }

  #token(base: string, attributes: Attributes, type: string, count: number | undefined): void {
    if (count) this.#tokens.add(`${base}\n${type}`, count, () => ({ ...attributes, type }))
  }

  /**
   * The model's name in the rules. Behind a pattern it is the name that was asked for, once a provider has answered to
   * it, so that clients cannot make up labels; and only so many of them.
   */
  #model({ model, targetModel, status }: RequestRecord): string {
    if (!model.endsWith('*') || targetModel === undefined) return model
    if (this.#models.has(targetModel)) return targetModel
    if (status !== 200 || targetModel.length > longestModel || this.#models.size >= mostModels) return model
    this.#models.add(targetModel)
    return targetModel
  }

  /** Tokens of trusted issuers name teams too, so only so many of them become labels. */
  #team(caller: Pick<Caller, 'team'> | undefined): string {
    const team = caller?.team
    if (team === undefined || this.#teams.has(team)) return team ?? ''
    if (this.#teams.size >= mostTeams || team.length > longestModel) return 'other'
    this.#teams.add(team)
    return team
  }

  /**
   * A status alone, or a word, or both: `503`, `no_response`, `200/overloaded`. The words may be a provider's own, so
   * only so many of them become labels.
   */
  #attemptOutcome(outcome: string): string {
    if (this.#outcomes.has(outcome)) return outcome
    if (this.#outcomes.size >= mostOutcomes || outcome.length > longestOutcome)
      return /^[1-5]\d\d(?=$|\/)/.exec(outcome)?.[0] ?? 'other'
    this.#outcomes.add(outcome)
    return outcome
  }

  /** The labels of a request, made once for each set of them. */
  #of(key: string, record: RequestRecord): Attributes {
    let attributes = this.#attributes.get(key)
    if (!attributes) {
      attributes = {
        operation: record.operation,
        model: this.#model(record),
        provider: record.provider ?? '',
        team: this.#team(record.caller),
      }
      this.#attributes.set(key, attributes)
    }
    return attributes
  }
}

/** What became of a request. An answer that began well and then broke off with an error is an error. */
function outcomeOf({ aborted, status, errorCode }: RequestRecord): 'ok' | 'error' | 'aborted' {
  if (aborted) return 'aborted'
  return status >= 200 && status < 400 && errorCode === undefined ? 'ok' : 'error'
}
