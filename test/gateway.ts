import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NotificationRecord } from '../src/a2a/push/record.ts'
import type { A2aRecord, A2aStreamChange } from '../src/a2a/record.ts'
import type { PushParts } from '../src/a2a/state.ts'
import type { Owners } from '../src/a2a/tasks/owners.ts'
import { type Rules, type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { SecretStore } from '../src/config/secrets.ts'
import type { EgressRecord } from '../src/egress/record.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { EnvoyProcess } from '../src/envoy/process.ts'
import type { Transport } from '../src/envoy/server.ts'
import type { EnvoyJson } from '../src/envoy/xds/filters.ts'
import { Gateway } from '../src/gateway.ts'
import { GovernanceState } from '../src/governance/state.ts'
import { KeySets } from '../src/identity/jwks.ts'
import type { KeyStore } from '../src/identity/key-store.ts'
import { MemoryKeyStore } from '../src/identity/memory-key-store.ts'
import type { Authority } from '../src/limits/authority.ts'
import { type BudgetAlert, Ledger } from '../src/limits/ledger.ts'
import { MemoryAuthority } from '../src/limits/memory-authority.ts'
import { PriceBook } from '../src/llm/prices.ts'
import { MemoryTokenStore } from '../src/mcp/oauth/memory-token-store.ts'
import { MemoryPinStore } from '../src/mcp/pins/memory-pin-store.ts'
import type { PinStore } from '../src/mcp/pins/pin-store.ts'
import { type PinEvent, ToolPins } from '../src/mcp/pins/tool-pins.ts'
import type { McpRecord, RefusalRecord, RequestRecord } from '../src/telemetry/record.ts'
import { AttachedEnvoy } from './attached-envoy.ts'
import { freePort } from './harness.ts'

/** The whole gateway, with a real Envoy, for one test file. */
export interface TestGateway {
  /** Where agents connect: `http://127.0.0.1:PORT`. */
  url: string
  gateway: Gateway
  envoy: Pick<EnvoyProcess, 'pid' | 'admin' | 'stop'>
  rules: Rules
  /** Every settled request, in order. */
  records: RequestRecord[]
  /** Every request that stage 1 refused, in order. */
  refusals: RefusalRecord[]
  /** Every finished MCP request, in order. */
  mcpRecords: McpRecord[]
  /** Every finished call of an agent, in order. */
  a2aRecords: A2aRecord[]
  /** What streams of agents' answers went through, in order. */
  a2aStreams: A2aStreamChange[]
  /** What was decided about calls to elsewhere, in order. */
  egress: EgressRecord[]
  /** Approvals of MCP tools. */
  pins: PinStore
  /** Definitions of tools that are not the approved ones. */
  pinned: PinEvent[]
  /** What became of notifications of agents, in order. */
  notifications: NotificationRecord[]
  /** Virtual keys can be made here. */
  keys: KeyStore
  /** Thresholds of budgets that were come to. */
  alerts: BudgetAlert[]
  /** What guards have found. */
  found: { guard: string; label: string; action: string }[]
  /** What was reported to the operator. */
  reports: { error: unknown; requestId: string }[]
  /** The record of a request, once it is settled. */
  recordOf(requestId: string): Promise<RequestRecord>
  stop(): Promise<void>
}

/** The rules of a test: a listener is added where there is none. */
export type TestRules = Omit<RulesInput, 'listeners'> & { listeners?: RulesInput['listeners'] }

/** What an Envoy of somebody else's is told. */
export type Attach = (parts: { gateway: Gateway; rules: Rules; socket: string }) => EnvoyJson | Promise<EnvoyJson>

export interface TestGatewayOptions {
  concurrency?: number
  transport?: Transport
  /** Where it counts; default: in memory, by itself. */
  authority?: Authority
  /** Virtual keys; default: its own. */
  keys?: KeyStore
  /** Whose tasks are whose; default: as it knows itself. */
  taskOwners?: Owners
  /** Where clients' callbacks are; default: in memory. */
  push?: PushParts
  /** Makes the whole configuration of an Envoy that does not ask the service for it. */
  attach?: Attach
  /** Another Envoy than the tests' own. */
  binary?: string
}

/** Starts a gateway. Secrets are the environment's and the files' of this machine. */
export async function startGateway(input: TestRules, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const rules = rulesSchema.parse({ listeners: { default: { port: await freePort() } }, ...input })
  const { port } = Object.values(rules.listeners)[0]!
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-test-'))
  const socket = join(directory, 'service.sock')
  const records: RequestRecord[] = []
  const refusals: RefusalRecord[] = []
  const mcpRecords: McpRecord[] = []
  const a2aRecords: A2aRecord[] = []
  const a2aStreams: A2aStreamChange[] = []
  const egress: EgressRecord[] = []
  const pinned: PinEvent[] = []
  const notifications: NotificationRecord[] = []
  const reports: { error: unknown; requestId: string }[] = []
  const secrets = new SecretStore({ report: (error) => reports.push({ error, requestId: '' }) })
  const alerts: BudgetAlert[] = []
  const found: { guard: string; label: string; action: string }[] = []
  const keys = options.keys ?? new MemoryKeyStore()
  const pins = new MemoryPinStore()
  const toolPins = new ToolPins({
    store: pins,
    report: (event) => pinned.push(event),
    failed: (error) => reports.push({ error, requestId: '' }),
  })
  const ledger = new Ledger({
    authority: options.authority ?? new MemoryAuthority(),
    alert: (alert) => alerts.push(alert),
  })
  await ledger.start()
  const governance = new GovernanceState({
    keys,
    keySets: new KeySets({ report: (error) => reports.push({ error, requestId: '' }) }),
    ledger,
    guards: {
      resolve: (reference) => secrets.resolve(reference),
      report: (error) => reports.push({ error, requestId: '' }),
      alert: (guard, label, action) => found.push({ guard, label, action }),
    },
  })
  const gateway = new Gateway({
    socket,
    transport: options.transport,
    rules,
    secrets,
    context: (now) => {
      const prices = new PriceBook(now.prices)
      return {
        finished: (record) => records.push(record),
        refused: (record) => refusals.push(record),
        report: (error, requestId) => reports.push({ error, requestId }),
        cost: ({ provider }, model, usage) => prices.cost(provider, model, usage),
      }
    },
    pins: toolPins,
    tokens: new MemoryTokenStore(),
    taskOwners: options.taskOwners,
    mcpFinished: (record) => mcpRecords.push(record),
    a2aHearers: {
      finished: (record) => a2aRecords.push(record),
      stream: (change) => a2aStreams.push(change),
    },
    egressFinished: (record) => egress.push(record),
    push: options.push,
    notified: (record) => notifications.push(record),
    governance,
    report: (error, requestId) => reports.push({ error, requestId }),
  })
  const unwatch = pins.watch(() => gateway.toolsChanged())
  await gateway.start()
  const binary = options.binary ?? (await findEnvoy(process.env, (message) => process.stderr.write(`${message}\n`)))
  const log = (level: string, line: string) => {
    if (level !== 'warning') reports.push({ error: `envoy ${level}: ${line}`, requestId: '' })
  }
  const envoy = options.attach
    ? new AttachedEnvoy({
        binary,
        bootstrap: await options.attach({ gateway, rules, socket }),
        log: (line) => log(line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)),
      })
    : new EnvoyProcess({
        binary,
        socket,
        transport: options.transport,
        concurrency: options.concurrency ?? 1,
        log,
        crashed: (reason) => reports.push({ error: `envoy ended: ${reason}`, requestId: '' }),
      })
  envoy.start()
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => {
    const response = await fetch(`${url}/v1/models`)
    if (response.status !== 200 && response.status !== 401) throw new Error(`not ready: ${response.status}`)
    await response.arrayBuffer()
  })
  return {
    url,
    gateway,
    envoy,
    rules,
    records,
    refusals,
    mcpRecords,
    a2aRecords,
    a2aStreams,
    egress,
    pins,
    pinned,
    notifications,
    keys,
    alerts,
    found,
    reports,
    recordOf: (requestId) =>
      eventually(() => {
        const record = records.find((each) => each.requestId === requestId)
        if (!record) throw new Error(`no record of ${requestId}`)
        return record
      }),
    async stop() {
      unwatch()
      await envoy.stop(0)
      await gateway.stop(0)
      await ledger.close()
      secrets.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Tries until it does not throw, for at most `timeoutMs`. */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs = 15_000): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
