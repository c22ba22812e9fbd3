import { auditLine } from './a2a/audit-line.ts'
import type { Backend } from './backend.ts'
import { formatDiagnostics } from './config/format.ts'
import { loadRuleSet, type RuleFile } from './config/load.ts'
import type { Rules } from './config/schema.ts'
import { type ObjectReference, SecretStore } from './config/secrets.ts'
import { statisticsPath } from './envoy/admin.ts'
import { type AttachedEnvoy, AttachedWatch } from './envoy/attached.ts'
import type { Transport } from './envoy/server.ts'
import { clustersPath, UnresolvedWatch } from './envoy/unresolved.ts'
import { type ApplyOutcome, Gateway } from './gateway.ts'
import { Alerts } from './governance/alerts.ts'
import { explainDecision } from './governance/explain-decision.ts'
import { explainRequest } from './governance/explain-request.ts'
import { GovernanceState } from './governance/state.ts'
import { KeySets } from './identity/jwks.ts'
import { Ledger } from './limits/ledger.ts'
import type { HealthBook } from './llm/balance.ts'
import { PriceBook } from './llm/prices.ts'
import { ToolPins } from './mcp/pins/tool-pins.ts'
import { checkExpressions } from './policy/check.ts'
import { makeProcessKeys, type ProcessKeys, readProcessKeys, writeProcessKeys } from './process-keys.ts'
import { validateRuleFiles } from './rule-check.ts'
import type { RuleSource, RulesOrigin } from './rule-source.ts'
import { Incumbent } from './takeover/incumbent.ts'
import type { Predecessor } from './takeover/predecessor.ts'
import type { UpstreamHealth } from './telemetry/metrics.ts'
import { Telemetry } from './telemetry/telemetry.ts'
import { agentEntry } from './usage/agent-entry.ts'
import type { DecisionEntry } from './usage/entry.ts'
import { toolEntry } from './usage/tool-entry.ts'
import { UsageRecorder } from './usage/usage-recorder.ts'

export interface ServiceOptions {
  rules: Rules
  /** The number of their revision, where they come from a store. */
  revision?: number | undefined
  /** Where changed rules come from. Absent: the rules stay as they are. */
  source?: RuleSource | undefined
  /** Secrets and ConfigMaps of Kubernetes, where the rules are made of its objects. */
  objects?: ((reference: ObjectReference) => string | undefined) | undefined
  /** Keys and counts; closed with the service. */
  backend: Backend
  /** Path of the unix socket that Envoy calls. */
  socket: string
  transport?: Transport | undefined
  /** Where the management API listens; none: nowhere. */
  api?: { address: string; port: number; rootToken: string | undefined } | undefined
  /** @returns why traffic should not be sent here yet, or undefined */
  notReady(gateway: Gateway): string | undefined
  /** Asks Envoy's admin interface. @throws {Error} where it does not answer */
  envoyAdmin?: ((path: string) => Promise<string>) | undefined
  /** Whether Envoy is on this machine and has the same files; default: that is not known. */
  envoyHere?: boolean | undefined
  /** The service whose place this one takes. */
  predecessor?: Predecessor | undefined
  /** The slot of the state directory that this one has. */
  slot?: number | undefined
  /** Another service has taken this one's place, and what was under way is finished. */
  followed?(): void
  /** How long what is under way may take then, ms. */
  farewellMs?: number | undefined
  /** Told when an Envoy refuses what it is sent, beside the log. */
  rejected?(message: string): void
  /** The Envoy that somebody else tells what it is to do; default: Envoys are told by this service. */
  attached?: AttachedEnvoy | undefined
}

/** The gateway with all it needs in production: secrets, prices, telemetry and the watch on the rules file. */
export class Service {
  readonly telemetry: Telemetry
  readonly gateway: Gateway
  readonly #secrets: SecretStore
  readonly #options: ServiceOptions
  readonly #governance: GovernanceState
  readonly #ledger: Ledger
  readonly #alerts: Alerts
  readonly #usage: UsageRecorder
  readonly #pins: ToolPins
  readonly #pinWatch: () => void
  readonly #attached: AttachedWatch | undefined
  #watch: { stop(): void } | undefined
  /** Which revision rules are, where they come from a store. */
  readonly #revisions = new WeakMap<Rules, number>()
  #inForceSinceMs = Date.now()
  #stopping = false
  readonly #keys: ProcessKeys
  readonly #unresolved: UnresolvedWatch | undefined
  #incumbent: Incumbent | undefined
  #api: { url: string; stop(): Promise<void> } | undefined

  /** @throws {RangeError} where the rules cannot be carried out */
  constructor(options: ServiceOptions) {
    this.#options = options
    const { attached, predecessor, envoyAdmin } = options
    this.#attached =
      attached &&
      new AttachedWatch({
        envoy: attached,
        config: () => this.gateway.envoyConfig,
        changed: (missing) => this.#lacks(missing),
      })
    this.#keys = predecessor ? readProcessKeys(predecessor.inheritance.keys) : makeProcessKeys()
    if (options.revision !== undefined) this.#revisions.set(options.rules, options.revision)
    this.#secrets = new SecretStore({ report: (error) => this.telemetry.report(error, ''), objects: options.objects })
    this.telemetry = new Telemetry(options.rules.telemetry, {
      upstreams: () => upstreams(this.gateway.health),
      ready: () => options.notReady(this.gateway),
      envoyMetrics: envoyAdmin && (() => envoyAdmin(statisticsPath)),
      notificationsWaiting: () => this.gateway.notificationsWaiting(),
    })
    const { log, metrics } = this.telemetry
    const { backend } = options
    const report = (error: unknown) => this.telemetry.report(error, '')
    this.#alerts = new Alerts(options.rules.alerts, (reference) => this.#secrets.resolve(reference), report)
    this.#ledger = new Ledger({
      authority: backend.authority,
      sidecar: backend.sidecar,
      ...(backend.journal && { journal: backend.journal }),
      alert: ({ budget, subject, ...details }) => {
        log.warn({ budget, subject, ...details }, 'a budget has come to a threshold')
        this.#alerts.send({ type: 'budget', rule: budget, subject, details: { ...details } })
      },
      report: ({ type, ...details }) =>
        log.warn('error' in details ? { error: reasonOf(details.error) } : details, `limits: ${type}`),
    })
    this.#usage = new UsageRecorder({
      books: backend.books,
      sidecar: backend.sidecar,
      directory: backend.usageDirectory,
      report,
    })
    this.#governance = new GovernanceState({
      keys: backend.keys,
      keySets: new KeySets({ report }),
      ledger: this.#ledger,
      guards: {
        resolve: (reference) => this.#secrets.resolve(reference),
        report,
        alert: (guard, label, action, { request, identity }) => {
          const { user, team } = identity
          log.info({ requestId: request.id, guard, label, action, user, team }, 'a guard has found something')
          if (action !== 'alert') return
          const details = { label, requestId: request.id, ...(team !== undefined && { team }) }
          this.#alerts.send({ type: 'guard', rule: guard, subject: user ?? '', details })
        },
      },
    })
    this.#pins = new ToolPins({
      store: backend.pins,
      report: ({ findings, ...event }) => {
        metrics.pin(event)
        log.warn({ ...event, findings: findings.slice(0, 10) }, 'a tool is not as it was approved')
      },
      failed: report,
    })
    this.#pinWatch = backend.pins.watch(() => this.gateway.toolsChanged())
    this.#unresolved =
      envoyAdmin &&
      new UnresolvedWatch(
        () => envoyAdmin(clustersPath),
        (path, resolved) => {
          if (resolved) log.info({ rule: path }, 'the name has an address again')
          else log.warn({ rule: path }, 'the name has no address: nothing can be sent there')
        },
      )
    this.gateway = new Gateway({
      socket: options.socket,
      transport: options.transport,
      envoyHere: options.envoyHere,
      rules: options.rules,
      secrets: this.#secrets,
      context: (rules) => {
        const prices = new PriceBook(rules.prices)
        return {
          finished: (record) => {
            this.telemetry.finished(record)
            this.#usage.finished(record)
          },
          refused: (record) => {
            this.telemetry.refused(record)
            this.#usage.refused(record)
          },
          report: (error, requestId) => this.telemetry.report(error, requestId),
          cost: ({ provider }, model, usage) => prices.cost(provider, model, usage),
          revision: this.#revisions.get(rules),
        }
      },
      pins: this.#pins,
      tokens: backend.tokens,
      taskOwners: backend.taskOwners,
      push: backend.push,
      notified: (record) => {
        this.telemetry.notification(record)
        if (!this.gateway.rules.telemetry.accessLog && record.outcome !== 'dead') return
        const { ageMs, ...line } = record
        const level = record.outcome === 'dead' || record.outcome === 'refused' ? 'warn' : 'info'
        log[level]({ ...line, ageMs: ageMs && Math.round(ageMs) }, 'a2a notification')
      },
      mcpFinished: (record) => {
        this.telemetry.mcp(record)
        const entered = toolEntry(record)
        if (entered) this.#usage.entered(entered)
      },
      egressFinished: (record) => this.telemetry.egress(record),
      a2aHearers: {
        finished: (record) => {
          this.telemetry.a2a(record)
          this.#usage.entered(agentEntry(record))
          if (this.gateway.rules.telemetry.accessLog)
            log.info(auditLine(record), record.error === undefined ? 'a2a' : 'a2a failed')
        },
        stream: (change) => metrics.a2aStream(change),
      },
      governance: this.#governance,
      attached: options.attached,
      keys: this.#keys,
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

  /**
   * Starts, in the place of the predecessor where there is one: until it is told to leave, at the end, it can go on.
   * @throws {Error} where the socket or the telemetry port cannot be had, or the predecessor does not give its place
   */
  async start(): Promise<void> {
    const { predecessor } = this.#options
    await predecessor?.release()
    await this.telemetry.start()
    await this.#ledger.start()
    this.#usage.start()
    if (predecessor) this.gateway.useNeighbour(predecessor.inheritance.socket)
    await this.gateway.start()
    this.#unresolved?.soon()
    await this.#startApi()
    if (predecessor) {
      await predecessor.leave(this.gateway.ownSocket)
      void predecessor.gone.then(() => {
        this.gateway.useNeighbour(undefined)
        this.telemetry.log.info('the service before has ended')
      })
    }
    await this.#awaitSuccessor()
    this.#attached?.start()
    this.#watch = this.#options.source?.follow(
      (files, from) => this.#put(files, from),
      (error) => this.telemetry.report(error, ''),
    )
  }

  /** Where the management API is, once started. */
  get apiUrl(): string | undefined {
    return this.#api?.url
  }

  /** A service with HTTP/2 of grpc-js cannot send Envoy elsewhere without losing requests, so nothing follows it. */
  async #awaitSuccessor(): Promise<void> {
    const { followed, predecessor, slot = 0, socket, transport } = this.#options
    if (!followed || transport === 'grpc-js') return
    const { log } = this.telemetry
    let before = predecessor?.inheritance.slots ?? []
    void predecessor?.gone.then(() => {
      before = []
    })
    this.#incumbent = new Incumbent(
      socket,
      this.gateway.ownSocket,
      {
        describe: async () => ({
          socket: this.gateway.ownSocket,
          slots: [slot, ...before],
          keys: writeProcessKeys(this.#keys),
        }),
        release: async () => {
          log.info('another service takes the place of this one')
          await this.#api?.stop()
          this.#api = undefined
          await this.telemetry.release()
        },
        resume: async () => {
          log.warn('the other service did not come about; this one goes on')
          this.gateway.publish()
          await this.telemetry.start()
          await this.#startApi()
        },
        leave: (successor) => void this.#leave(successor),
      },
      (error) => this.telemetry.report(error, ''),
    )
    await this.#incumbent.listen()
  }

  async #leave(successor: string): Promise<void> {
    const { followed, farewellMs } = this.#options
    this.telemetry.log.info('another service has the place of this one, which finishes what is under way')
    this.#stopping = true
    this.gateway.useNeighbour(successor)
    await this.gateway.leave(farewellMs ?? 600_000)
    followed?.()
  }

  async #startApi(): Promise<void> {
    const { api, backend } = this.#options
    if (!api) return
    const { startApi } = await import('./api/server.ts')
    const { log } = this.telemetry
    this.#api = await startApi({
      ...api,
      keys: backend.keys,
      rules: backend.rules?.store,
      validate: validateRuleFiles,
      books: backend.books,
      explainer: {
        request: (described) => explainRequest(this.gateway.rules, described),
        decision: async (decision) => explainDecision(decision, await this.#rulesOf(decision)),
      },
      auditLog: backend.auditLog,
      audit: (change) => {
        const { time: _, ...entry } = change
        log.info(entry, 'audit')
        backend.auditLog?.add(change).catch((cause: unknown) => {
          this.telemetry.report(new Error('a change could not be added to the audit log', { cause }), '')
        })
      },
      report: (error) => this.telemetry.report(error, ''),
    })
  }

  /** The rules that a decision was made by; undefined: they are not to be had any more. */
  async #rulesOf({ revision, time }: DecisionEntry): Promise<Rules | undefined> {
    const { rules: current } = this.gateway
    if (revision === undefined) return time >= this.#inForceSinceMs ? current : undefined
    if (revision === this.#revisions.get(current)) return current
    const kept = await this.#options.backend.rules?.store.revision(revision).catch(() => undefined)
    const loaded = kept && loadRuleSet(kept.files, checkExpressions)
    return loaded && 'rules' in loaded ? loaded.rules : undefined
  }

  /** From now on Envoys may go without a warning. */
  stopping(): void {
    this.#stopping = true
    this.#attached?.stop()
    this.#watch?.stop()
  }

  /** Stops answering Envoy; what is under way may take `graceMs` more. */
  async stop(graceMs: number): Promise<void> {
    this.stopping()
    this.#incumbent?.stop()
    this.#unresolved?.stop()
    await this.#api?.stop()
    await this.gateway.stop(graceMs)
    await this.#ledger.close()
    await this.#usage.close()
    await this.#alerts.close()
    this.#pinWatch()
    await this.#pins.close()
    await this.#options.backend.close()
    this.#secrets.stop()
    await this.telemetry.stop()
  }

  /**
   * Puts changed rules into force. Whatever is wrong with them, the rules before stay.
   * @param from where they are from, for the log
   */
  async #put(files: readonly RuleFile[] | Rules, from: RulesOrigin): Promise<string | undefined> {
    const { log, metrics } = this.telemetry
    this.#attached?.retry(undefined)
    const loaded = isRules(files) ? { rules: files } : loadRuleSet(files, checkExpressions)
    if ('diagnostics' in loaded) {
      metrics.ruleChange('invalid')
      log.error(
        from,
        `the changed rules are wrong; the ones before stay in force\n${formatDiagnostics(loaded.diagnostics, files as readonly RuleFile[])}`,
      )
      return 'they are wrong'
    }
    if (from.revision !== undefined) this.#revisions.set(loaded.rules, from.revision)
    try {
      const outcome = await this.gateway.apply(loaded.rules)
      metrics.ruleChange(outcome.type)
      if (outcome.type === 'applied') {
        this.#applied(loaded.rules, outcome, from)
        return undefined
      }
      if (outcome.type === 'waiting') {
        log.warn({ ...from, missing: outcome.missing.slice(0, 20) }, `the changed rules wait for Envoy, ${waitsFor}`)
        this.#attached?.retry(async () => {
          const again = await this.gateway.apply(loaded.rules)
          if (again.type !== 'applied') return
          this.#attached?.retry(undefined)
          metrics.ruleChange(again.type)
          this.#applied(loaded.rules, again, from)
        })
        return 'Envoy does not have what they need yet'
      }
      const refusals = outcome.rejections.map(({ type, message }) => `${type}: ${message}`)
      log.error({ ...from, refusals }, 'Envoy refused the changed rules; the ones before stay in force')
      return 'Envoy refused them'
    } catch (error) {
      metrics.ruleChange('invalid')
      const { message } = error as Error
      log.error(from, `the changed rules cannot be carried out; the ones before stay in force: ${message}`)
      return message
    }
  }

  #applied(rules: Rules, { nodes, silent }: ApplyOutcome & { type: 'applied' }, from: RulesOrigin): void {
    const { log } = this.telemetry
    this.#inForceSinceMs = Date.now()
    this.#unresolved?.soon()
    this.telemetry.apply(rules.telemetry)
    this.#alerts.apply(rules.alerts)
    log.info({ ...from, envoys: nodes }, 'the changed rules are in force')
    if (silent.length > 0) log.warn({ nodes: silent }, 'some Envoys did not confirm the change')
  }

  /** What an attached Envoy lacks has changed. */
  #lacks(missing: readonly string[] | Error): void {
    const { log, metrics } = this.telemetry
    metrics.envoyMissing(missing instanceof Error ? -1 : missing.length)
    metrics.envoys(missing instanceof Error ? 0 : 1)
    if (missing instanceof Error) log.warn(`Envoy's admin interface cannot be asked what Envoy has: ${missing.message}`)
    else if (missing.length > 0)
      log.warn({ missing: missing.slice(0, 20) }, `Envoy lacks what the rules in force need, ${waitsFor}`)
    else log.info('Envoy has what the rules in force need')
  }
}

function isRules(rules: readonly RuleFile[] | Rules): rules is Rules {
  return !Array.isArray(rules)
}

const waitsFor = 'which has to be told of them: render them again and apply what comes out (docs/mesh.md)'

function* upstreams(health: HealthBook): Iterable<UpstreamHealth> {
  const now = performance.now()
  for (const [target, { inFlight, latencyMs, outUntil }] of health.entries())
    yield { target, inFlight, latencyMs, out: outUntil > now }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
