import type { NotificationRecord } from '../a2a/push/record.ts'
import type { A2aRecord } from '../a2a/record.ts'
import type { TelemetryRule } from '../config/schema.ts'
import type { EgressRecord } from '../egress/record.ts'
import { createLog, type Log } from './log.ts'
import { Metrics, type UpstreamHealth } from './metrics.ts'
import type { McpRecord, RefusalRecord, RequestRecord } from './record.ts'
import { startTelemetryServer } from './server.ts'
import { Traces } from './trace.ts'

export interface TelemetryOptions {
  /** Asked for when somebody reads the metrics. */
  upstreams(): Iterable<UpstreamHealth>
  /** @returns why traffic should not come yet, or undefined */
  ready(): string | undefined
  /** @returns Envoy's metrics in Prometheus' text format; absent: there is no Envoy to ask */
  envoyMetrics?: (() => Promise<string>) | undefined
  /** @returns how many notifications of agents wait to be delivered; undefined: none are taken */
  notificationsWaiting?: (() => Promise<number | undefined>) | undefined
  /** Default: standard output, as JSON lines. */
  log?: Log
}

/** Metrics, log, traces and health of one service. */
export class Telemetry {
  readonly log: Log
  readonly metrics: Metrics
  readonly #traces: Traces | undefined
  readonly #rule: TelemetryRule
  readonly #ready: () => string | undefined
  readonly #envoyMetrics: (() => Promise<string>) | undefined
  #server: { url: string; stop(): Promise<void> } | undefined

  constructor(rule: TelemetryRule, { upstreams, ready, envoyMetrics, notificationsWaiting, log }: TelemetryOptions) {
    this.#rule = rule
    this.#ready = ready
    this.#envoyMetrics = envoyMetrics
    this.log = log ?? createLog(rule)
    this.metrics = new Metrics(upstreams, notificationsWaiting)
    const { otlpEndpoint, sampling } = rule
    if (otlpEndpoint !== undefined) this.#traces = new Traces(otlpEndpoint, sampling, (error) => this.report(error, ''))
  }

  /** Where /metrics, /livez and /readyz are, once started. */
  get url(): string | undefined {
    return this.#server?.url
  }

  /** @throws {Error} where the port cannot be had */
  async start(): Promise<void> {
    const { address, port } = this.#rule
    const metrics = () => this.metrics.render()
    this.#server = await startTelemetryServer({
      address,
      port,
      metrics,
      envoyMetrics: this.#envoyMetrics,
      ready: this.#ready,
    })
  }

  /** Frees the port; `start` takes it again. */
  async release(): Promise<void> {
    await this.#server?.stop()
    this.#server = undefined
  }

  async stop(): Promise<void> {
    await this.release()
    await this.#traces?.stop()
    await this.metrics.stop()
  }

  /** Takes a finished request. */
  finished(record: RequestRecord): void {
    this.metrics.record(record)
    this.log.access(record)
    this.#traces?.record(record)
  }

  /** Takes a request that stage 1 refused. */
  refused(record: RefusalRecord): void {
    this.metrics.refusal(record)
    this.log.refusal(record)
  }

  /** Takes a finished MCP request. */
  mcp(record: McpRecord): void {
    this.metrics.mcp(record)
    this.log.mcp(record)
    this.#traces?.mcp(record)
  }

  /** Takes a finished call of an agent; its line in the log is the service's affair. */
  a2a(record: A2aRecord): void {
    this.metrics.a2a(record)
    this.#traces?.a2a(record)
  }

  /** Takes a decision about a call to elsewhere. What it let through without a word has a line of Envoy's own at its end. */
  egress(record: EgressRecord): void {
    this.metrics.egress(record)
    const { action } = record
    if (action === 'deny') this.log.warn({ ...record }, 'egress refused')
    else this.log[action === 'log' ? 'info' : 'debug']({ ...record }, 'egress')
  }

  /** Takes what became of a notification of an agent; its line in the log is the service's affair. */
  notification(record: NotificationRecord): void {
    this.metrics.notification(record)
  }

  /** @param requestId empty where it was beside any request */
  report(error: unknown, requestId: string): void {
    this.log.failure(error, requestId)
  }

  /** Obeys changed rules, as far as that goes without a restart. */
  apply(rule: TelemetryRule): void {
    this.log.apply(rule)
    for (const field of ['address', 'port', 'otlpEndpoint', 'sampling'] as const)
      if (rule[field] !== this.#rule[field])
        this.log.warn({ field: `telemetry.${field}` }, 'this change takes effect when the service is started again')
  }
}
