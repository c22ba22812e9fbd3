import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Attributes, Histogram, ObservableResult } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { RequestRecord } from './record.ts'

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
export type RuleChange = 'applied' | 'rejected' | 'invalid'

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

/** How many model names that only clients know may become labels. */
const mostModels = 500

/**
 * The metrics of finished requests and of the service itself, for Prometheus. Names and buckets follow OpenTelemetry's
 * GenAI conventions where they have some; docs/observability.md lists them all. Every label is of a bounded set.
 */
export class Metrics {
  readonly #exporter = new PrometheusExporter({ preventServerStart: true })
  readonly #serializer = new PrometheusSerializer('', false, undefined, true, true)
  readonly #provider = new MeterProvider({ readers: [this.#exporter] })
  readonly #requests = new Totals()
  readonly #tokens = new Totals()
  readonly #cost = new Totals()
  readonly #attempts = new Totals()
  readonly #ruleChanges = new Totals()
  readonly #duration: Histogram
  readonly #firstToken: Histogram
  readonly #perToken: Histogram
  readonly #tokenUsage: Histogram
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 20 })
  readonly #attributes = new Map<string, Attributes>()
  readonly #models = new Set<string>()
  #envoys = 0

  /** @param upstreams asked for when somebody reads the metrics */
  constructor(upstreams: () => Iterable<UpstreamHealth>) {
    const meter = this.#provider.getMeter('chaperone')
    const histogram = (name: string, unit: string, description: string, boundaries: number[]) =>
      meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: boundaries } })
    const counter = (name: string, description: string, totals: Totals) =>
      meter.createObservableCounter(name, { description }).addCallback(totals.observe)
    const gauge = (name: string, description: string, observe: (result: ObservableResult) => void) =>
      meter.createObservableGauge(name, { description }).addCallback(observe)

    this.#duration = histogram('gen_ai.server.request.duration', 's', 'The whole request', durationBuckets)
    this.#firstToken = histogram(
      'gen_ai.server.time_to_first_token',
      's',
      'From the start of the attempt that answered to its first byte',
      firstTokenBuckets,
    )
    this.#perToken = histogram(
      'gen_ai.server.time_per_output_token',
      's',
      'Of streams: the time after the first byte, divided by the tokens after the first',
      perTokenBuckets,
    )
    this.#tokenUsage = histogram('gen_ai.client.token.usage', '{token}', 'Tokens of one request', tokenBuckets)
    counter('chaperone.requests', 'Finished requests', this.#requests)
    counter(
      'chaperone.tokens',
      'Tokens, by type; cached and cache-written ones are part of input, reasoning ones of output',
      this.#tokens,
    )
    counter('chaperone.cost.usd', 'What the requests cost, US dollars', this.#cost)
    counter('chaperone.attempts', 'Attempts at targets, by what came of them', this.#attempts)
    counter('chaperone.rules.changes', 'Changes of the rules, by how they went', this.#ruleChanges)
    gauge('chaperone.envoys', 'Envoys connected', (result) => result.observe(this.#envoys))
    gauge('chaperone.upstream.in_flight', 'Attempts under way', (result) => {
      for (const { target, inFlight } of upstreams()) result.observe(inFlight, { target })
    })
    gauge('chaperone.upstream.latency.seconds', 'Moving average of the time to the first byte', (result) => {
      for (const { target, latencyMs } of upstreams()) result.observe(latencyMs / 1000, { target })
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
      result.observe(this.#loopDelay.percentile(99) / 1e9)
      this.#loopDelay.reset()
    })
    this.#loopDelay.enable()
  }

  /** Takes a finished request. */
  record(record: RequestRecord): void {
    const { operation, provider = '', team = '', usage } = record
    const base = `${operation}\n${this.#model(record)}\n${provider}\n${team}`
    const outcome = record.aborted ? 'aborted' : record.status >= 200 && record.status < 400 ? 'ok' : 'error'
    this.#requests.add(`${base}\n${record.status}\n${outcome}`, 1, () => ({
      ...this.#of(base, record),
      status: String(record.status),
      outcome,
    }))
    for (const attempt of record.attempts)
      this.#attempts.add(`${attempt.provider}\n${attempt.outcome}`, 1, () => ({
        provider: attempt.provider,
        outcome: attempt.outcome,
      }))
    const attributes = this.#of(base, record)
    this.#duration.record(record.durationMs / 1000, attributes)
    if (record.firstByteMs !== undefined) this.#firstToken.record(record.firstByteMs / 1000, attributes)
    if (record.cost) this.#cost.add(base, record.cost.usd, () => attributes)
    if (!usage) return
    this.#token(base, attributes, 'input', usage.input)
    this.#token(base, attributes, 'output', usage.output)
    this.#token(base, attributes, 'cached_input', usage.cachedInput)
    this.#token(base, attributes, 'cache_write_input', usage.cacheWriteInput)
    this.#token(base, attributes, 'reasoning', usage.reasoning)
    this.#tokenUsage.record(usage.input, this.#of(`${base}\ninput`, record, 'input'))
    this.#tokenUsage.record(usage.output, this.#of(`${base}\noutput`, record, 'output'))
    if (record.stream && record.firstByteMs !== undefined && usage.output > 1 && !record.aborted)
      this.#perToken.record((record.durationMs - record.firstByteMs) / 1000 / (usage.output - 1), attributes)
  }

  ruleChange(outcome: RuleChange): void {
    this.#ruleChanges.add(outcome, 1, () => ({ outcome }))
  }

  /** @param count Envoys connected now */
  envoys(count: number): void {
    this.#envoys = count
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
    if (status !== 200 || this.#models.size >= mostModels) return model
    this.#models.add(targetModel)
    return targetModel
  }

  /** The labels of a request, made once for each set of them. */
  #of(key: string, record: RequestRecord, tokenType?: string): Attributes {
    let attributes = this.#attributes.get(key)
    if (!attributes) {
      attributes = {
        operation: record.operation,
        model: this.#model(record),
        provider: record.provider ?? '',
        team: record.team ?? '',
        ...(tokenType !== undefined && { 'gen_ai.token.type': tokenType }),
      }
      this.#attributes.set(key, attributes)
    }
    return attributes
  }
}
