import { createHash } from 'node:crypto'
import { durationMs, type ModelRule, type Rules } from '../config/schema.ts'
import type { ExpressionCompiler } from '../policy/expression.ts'
import type { Pool, RouteClass, Topology, Upstream } from '../protocol.ts'
import type { HealthBook, TargetHealth } from './balance.ts'
import { Prompts } from './prompts.ts'
import { createProvider } from './providers/index.ts'
import type { Operation, Provider, Secrets } from './providers/provider.ts'

/** One target of a model, ready to use. */
export interface Target {
  readonly provider: Provider
  readonly upstream: Upstream
  /** The model's name at the provider; undefined: what the client asked for. */
  readonly model: string | undefined
  readonly weight: number
  readonly health: TargetHealth
}

/** The targets of a model that can serve one operation, and the way through them from each first choice. */
export interface Lineup {
  /** By priority; none empty. */
  readonly groups: readonly (readonly Target[])[]
  /** For [group][member] as first choice: all targets in the order of attempts, and their pool. */
  readonly orders: readonly (readonly { targets: readonly Target[]; pool: Pool }[])[]
}

/** A model name that clients use. */
export interface Model {
  /** As the rules say it, `*` included. */
  readonly name: string
  readonly routeClass: RouteClass
  /** By operation; undefined where no target serves it. */
  lineup(operation: Operation): Lineup | undefined
}

/** The rules' LLM part, compiled once a revision. */
export interface LlmRules {
  readonly topology: Topology
  /** The model a client's name means: an exact one, else the longest pattern. */
  model(name: string): Model | undefined
  /** What is added to requests. */
  readonly prompts: Prompts
  /** The name that is meant by a client's: another one where it is an alias. */
  alias(name: string): string
  /** The names without a `*`, for /v1/models and for suggestions. */
  readonly modelNames: readonly string[]
  /** The patterns, for messages. */
  readonly patterns: readonly string[]
}

const operations: readonly Operation[] = [
  'chat',
  'completions',
  'messages',
  'responses',
  'generate_content',
  'embeddings',
  'count_tokens',
]

/**
 * Compiles the rules: providers, targets, pools, prompts.
 * @param compiler for the expressions of the rules
 * @throws {RangeError} where a provider's rule cannot be carried out; the message names the field
 */
export function compileLlm(rules: Rules, secrets: Secrets, book: HealthBook, compiler: ExpressionCompiler): LlmRules {
  const providers = new Map<string, { provider: Provider; upstream: Upstream }>()
  for (const [name, rule] of Object.entries(rules.providers)) {
    const provider = createProvider(name, rule, secrets)
    providers.set(name, { provider, upstream: upstreamOf(provider, rule) })
  }
  const pools = new Map<string, Pool>()
  const routeClasses = new Map<string, RouteClass>()
  const exact = new Map<string, Model>()
  const prefixes: { prefix: string; model: Model }[] = []
  const healthKeys = new Set<string>()
  const { aliases } = rules

  for (const [name, rule] of Object.entries(rules.models)) {
    const targets = rule.targets.map(({ provider: providerName, model, weight, priority }) => {
      const entry = providers.get(providerName)
      if (!entry) throw new RangeError(`models.${name}: there is no provider ${providerName}`)
      const key = `${entry.upstream.id} ${model ?? name}`
      healthKeys.add(key)
      return { ...entry, model, weight, priority, health: book.of(key) }
    })
    const attempts = Math.min(rule.maxAttempts ?? targets.length, targets.length)
    const lineups = new Map<Operation, Lineup>()
    for (const operation of operations) {
      // A pattern's model names are not known yet; what they cannot do is refused when they are asked for.
      const able = targets.filter(
        ({ provider, model }) => (!model && name.endsWith('*')) || provider.route(operation, model ?? name, false),
      )
      if (able.length === 0) continue
      lineups.set(operation, lineupOf(able, attempts, pools))
    }
    const model: Model = {
      name,
      routeClass: routeClassOf(rule, attempts, routeClasses),
      lineup: (operation) => lineups.get(operation),
    }
    if (name.endsWith('*')) prefixes.push({ prefix: name.slice(0, -1), model })
    else exact.set(name, model)
  }
  prefixes.sort((a, b) => b.prefix.length - a.prefix.length)
  book.keepOnly(healthKeys)

  return {
    topology: {
      upstreams: [...providers.values()].map(({ upstream }) => upstream),
      pools: [...pools.values()],
      routeClasses: [...routeClasses.values()],
    },
    model: (name) => exact.get(name) ?? prefixes.find(({ prefix }) => name.startsWith(prefix))?.model,
    prompts: new Prompts(rules.prompts, compiler),
    alias: (name) => (Object.hasOwn(aliases, name) ? aliases[name]! : name),
    modelNames: [...exact.keys(), ...Object.keys(aliases)],
    patterns: prefixes.map(({ model }) => model.name),
  }
}

function upstreamOf(provider: Provider, rule: Rules['providers'][string]): Upstream {
  const address = {
    scheme: provider.scheme,
    host: provider.host,
    port: provider.port,
    connectTimeoutMs: durationMs(rule.connectTimeout),
    serverName: rule.tls?.serverName,
    caFile: rule.tls?.caFile,
  }
  // The type and base URL count as well: they decide what is sent there.
  const content = JSON.stringify([address, provider.authority, provider.type])
  return { id: `upstream/${provider.name}@${shortHash(content)}`, ...address }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10)
}

function lineupOf(
  targets: readonly (Target & { priority: number })[],
  attempts: number,
  pools: Map<string, Pool>,
): Lineup {
  const priorities = [...new Set(targets.map(({ priority }) => priority))].sort((a, b) => a - b)
  const groups = priorities.map((priority) => targets.filter((target) => target.priority === priority))
  const orders = groups.map((group, g) =>
    group.map((_, m) => {
      // The rest of the group, then the groups after it; the ones before it come last: they were out.
      const order = [
        ...group.slice(m),
        ...group.slice(0, m),
        ...groups.slice(g + 1).flat(),
        ...groups.slice(0, g).flat(),
      ].slice(0, attempts)
      const upstreams = order.map(({ upstream }) => upstream.id)
      const id = `pool/${shortHash(upstreams.join(' '))}`
      const pool = pools.get(id) ?? { id, upstreams }
      pools.set(id, pool)
      return { targets: order, pool }
    }),
  )
  return { groups, orders }
}

function routeClassOf(rule: ModelRule, attempts: number, classes: Map<string, RouteClass>): RouteClass {
  const firstByteMs = durationMs(rule.timeouts.firstByte)
  const totalMs = durationMs(rule.timeouts.total)
  const id = `llm-${firstByteMs}-${totalMs}-${attempts}`
  const found = classes.get(id) ?? { id, firstByteMs, totalMs, attempts }
  classes.set(id, found)
  return found
}
