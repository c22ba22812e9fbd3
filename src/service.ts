import { formatDiagnostics } from './config/format.ts'
import { loadRules } from './config/load.ts'
import type { Rules } from './config/schema.ts'
import { SecretStore } from './config/secrets.ts'
import { watchRules } from './config/watch.ts'
import type { Transport } from './envoy/server.ts'
import { Gateway } from './gateway.ts'
import { absentGovernance } from './governance/absent.ts'
import type { HealthBook } from './llm/balance.ts'
import { PriceBook } from './llm/prices.ts'
import { checkExpressions } from './policy/check.ts'
import type { UpstreamHealth } from './telemetry/metrics.ts'
import { Telemetry } from './telemetry/telemetry.ts'

export interface ServiceOptions {
  rules: Rules
  /** The file the rules came from: changes of it are obeyed. Absent: the rules stay as they are. */
  file?: string | undefined
  /** Path of the unix socket that Envoy calls. */
  socket: string
  transport?: Transport | undefined
  /** @returns why traffic should not be sent here yet, or undefined */
  notReady(gateway: Gateway): string | undefined
  /** Told when an Envoy refuses what it is sent, beside the log. */
  rejected?(message: string): void
}

/** The gateway with all it needs in production: secrets, prices, telemetry and the watch on the rules file. */
export class Service {
  readonly telemetry: Telemetry
  readonly gateway: Gateway
  readonly #secrets: SecretStore
  readonly #options: ServiceOptions
  #watch: { stop(): void } | undefined
  #stopping = false

  /** @throws {RangeError} where the rules cannot be carried out */
  constructor(options: ServiceOptions) {
    this.#options = options
    this.#secrets = new SecretStore({ report: (error) => this.telemetry.report(error, '') })
    this.telemetry = new Telemetry(options.rules.telemetry, {
      upstreams: () => upstreams(this.gateway.health),
      ready: () => options.notReady(this.gateway),
    })
    const { log, metrics } = this.telemetry
    this.gateway = new Gateway({
      socket: options.socket,
      transport: options.transport,
      rules: options.rules,
      secrets: this.#secrets,
      context: (rules) => {
        const prices = new PriceBook(rules.prices)
        return {
          finished: (record) => this.telemetry.finished(record),
          refused: (record) => this.telemetry.refused(record),
          report: (error, requestId) => this.telemetry.report(error, requestId),
          cost: ({ provider }, model, usage) => prices.cost(provider, model, usage),
        }
      },
      governance: absentGovernance,
      report: (error, requestId) => this.telemetry.report(error, requestId),
      events: {
        connected: (node) => {
          metrics.envoys(this.gateway.discovery.nodes.length)
          log.info({ node }, 'an Envoy connected')
        },
        disconnected: (node) => {
          metrics.envoys(this.gateway.discovery.nodes.length)
          if (!this.#stopping) log.warn({ node }, 'an Envoy disconnected')
        },
        rejected: ({ node, type, message }) => {
          log.error({ node, type }, `Envoy refused its configuration: ${message}`)
          options.rejected?.(message)
        },
      },
    })
  }

  /** @throws {Error} where the socket or the telemetry port cannot be had */
  async start(): Promise<void> {
    await this.telemetry.start()
    await this.gateway.start()
    const { file } = this.#options
    if (file !== undefined) this.#watch = watchRules(file, (text) => void this.#changed(file, text))
  }

  /** From now on Envoys may go without a warning. */
  stopping(): void {
    this.#stopping = true
    this.#watch?.stop()
  }

  /** Stops answering Envoy; what is under way may take `graceMs` more. */
  async stop(graceMs: number): Promise<void> {
    this.stopping()
    await this.gateway.stop(graceMs)
    this.#secrets.stop()
    await this.telemetry.stop()
  }

  /** The rules file has new content. Whatever is wrong with it, the rules in force stay in force. */
  async #changed(file: string, text: string): Promise<void> {
    const { log, metrics } = this.telemetry
    const loaded = loadRules(text, file, checkExpressions)
    if ('diagnostics' in loaded) {
      metrics.ruleChange('invalid')
      log.error(
        { file },
        `the changed rules are wrong; the ones before stay in force\n${formatDiagnostics(loaded.diagnostics, text)}`,
      )
      return
    }
    try {
      const outcome = await this.gateway.apply(loaded.rules)
      metrics.ruleChange(outcome.type)
      if (outcome.type === 'applied') {
        this.telemetry.apply(loaded.rules.telemetry)
        log.info({ file, envoys: outcome.nodes }, 'the changed rules are in force')
        if (outcome.silent.length > 0) log.warn({ nodes: outcome.silent }, 'some Envoys did not confirm the change')
      } else {
        const refusals = outcome.rejections.map(({ type, message }) => `${type}: ${message}`)
        log.error({ file, refusals }, 'Envoy refused the changed rules; the ones before stay in force')
      }
    } catch (error) {
      metrics.ruleChange('invalid')
      log.error(
        { file },
        `the changed rules cannot be carried out; the ones before stay in force: ${(error as Error).message}`,
      )
    }
  }
}

function* upstreams(health: HealthBook): Iterable<UpstreamHealth> {
  const now = performance.now()
  for (const [target, { inFlight, latencyMs, outUntil }] of health.entries())
    yield { target, inFlight, latencyMs, out: outUntil > now }
}
