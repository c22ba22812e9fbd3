import type { RulesInput } from '../config/schema.ts'
import type { Bans, Owners } from './bans.ts'
import { no, type Said, yes } from './condition.ts'
import { ruleName } from './names.ts'
import { called, type Inventory, type KubeObject, nameOf, namespaceOf } from './object.ts'
import { OwnSpecError, ofNamespace } from './own-limits.ts'
import { type OwnKind, ownSpecs } from './own-specs.ts'
import { wrongWith } from './spec.ts'

/** Providers, models, MCP servers and agents of our own kinds: what they are in the rules. */

/** The spec of an object of ours, or what is wrong with it. */
export function ownSpec(
  object: KubeObject,
  kind: OwnKind,
  local: boolean,
): { spec: Record<string, unknown>; beside: Record<string, unknown> } | { why: string } {
  const { part, beside } = ownSpecs[kind]
  try {
    const all = ofNamespace(object.spec ?? {}, namespaceOf(object), local) as Record<string, unknown>
    const others: Record<string, unknown> = {}
    for (const [key, schema] of Object.entries(beside)) {
      const parsed = schema.safeParse(all[key])
      if (!parsed.success) return { why: wrongWith(parsed.error, `spec.${key}`) }
      others[key] = parsed.data
    }
    const spec = Object.fromEntries(Object.entries(all).filter(([key]) => !Object.hasOwn(beside, key)))
    const parsed = part.safeParse(spec)
    return parsed.success ? { spec, beside: others } : { why: wrongWith(parsed.error) }
  } catch (error) {
    if (error instanceof OwnSpecError) return { why: error.message }
    throw error
  }
}

export interface OwnObjects {
  readonly providers: NonNullable<RulesInput['providers']>
  readonly models: NonNullable<RulesInput['models']>
  readonly servers: Record<string, unknown>
  readonly endpoints: Record<string, unknown>
  readonly agents: Record<string, unknown>
  /** What the rules call an object, by kind and `namespace/name`; absent: it is not good. */
  readonly names: ReadonlyMap<string, string>
  readonly said: ReadonlyMap<KubeObject, readonly Said[]>
}

/** @param taken models that the gateway's own rules have */
export function ownObjects(
  inventory: Inventory,
  local: boolean,
  bans: Bans,
  owners: Owners,
  taken: ReadonlySet<string>,
): OwnObjects {
  const names = new Map<string, string>()
  const said = new Map<KubeObject, readonly Said[]>()
  /** Takes the good ones of a kind. @param add puts one into the rules, or says why it cannot be there */
  const take = (
    kind: 'Provider' | 'Model' | 'McpServer' | 'McpEndpoint' | 'Agent',
    add: (object: KubeObject, name: string, spec: never, beside: Record<string, unknown>) => Said | string,
  ) => {
    for (const object of inventory.list(kind)) {
      const refused = (reason: string, why: string) => said.set(object, [no('Accepted', reason, why)])
      const ban = bans.get(called(object))
      if (ban !== undefined) {
        refused('Invalid', ban)
        continue
      }
      const read = ownSpec(object, kind, local)
      if ('why' in read) {
        refused('Invalid', read.why)
        continue
      }
      const outcome = add(object, ruleName(namespaceOf(object), object.metadata.name), read.spec as never, read.beside)
      if (typeof outcome === 'string') {
        names.set(`${kind} ${nameOf(object)}`, outcome)
        said.set(object, [yes('Accepted'), yes('ResolvedRefs')])
      } else said.set(object, outcome.type === 'Accepted' ? [outcome] : [yes('Accepted'), outcome])
    }
  }
  /** What the rules call an object of the same namespace. */
  const named = (kind: string, object: KubeObject, name: string) => names.get(`${kind} ${namespaceOf(object)}/${name}`)
  const lacking = (kind: string, name: string) =>
    no('ResolvedRefs', 'BackendNotFound', `there is no ${kind} ${name} that is accepted in this namespace`)

  const providers: Record<string, unknown> = {}
  take('Provider', (object, name, spec) => {
    providers[name] = spec
    owners.set(['providers', name], called(object))
    return name
  })
  const models: Record<string, unknown> = {}
  const modelOwners = new Map<string, KubeObject>()
  take('Model', (object, _, spec: { targets: { provider: string }[] }, { name: outward = object.metadata.name }) => {
    const name = String(outward)
    const older = modelOwners.get(name)
    if (older)
      return no('Accepted', 'Conflicted', `${called(older)} is older and has the same name for clients, ${name}`)
    if (taken.has(name)) return no('Accepted', 'Conflicted', `the gateway’s own rules have a model ${name}`)
    const missing = spec.targets.find(({ provider }) => named('Provider', object, provider) === undefined)
    if (missing) return lacking('Provider', missing.provider)
    modelOwners.set(name, object)
    models[name] = {
      ...spec,
      targets: spec.targets.map((target) => ({ ...target, provider: named('Provider', object, target.provider) })),
    }
    owners.set(['models', name], called(object))
    return name
  })
  const servers: Record<string, unknown> = {}
  take('McpServer', (object, name, spec: { prefix?: string }) => {
    servers[name] = { prefix: object.metadata.name.replace(/[^a-zA-Z0-9_-]/g, '-').slice(0, 32), ...spec }
    owners.set(['mcp', 'servers', name], called(object))
    return name
  })
  const endpoints: Record<string, unknown> = {}
  take('McpEndpoint', (object, name, spec: { servers?: string[] }) => {
    const wanted =
      spec.servers ??
      inventory
        .list('McpServer')
        .flatMap((server) =>
          namespaceOf(server) === namespaceOf(object) && names.has(`McpServer ${nameOf(server)}`)
            ? [server.metadata.name]
            : [],
        )
    if (wanted.length === 0) return lacking('McpServer', '(none is named)')
    const missing = wanted.find((server) => named('McpServer', object, server) === undefined)
    if (missing !== undefined) return lacking('McpServer', missing)
    endpoints[name] = { ...spec, servers: wanted.map((server) => named('McpServer', object, server)) }
    owners.set(['mcp', 'endpoints', name], called(object))
    return name
  })
  const agents: Record<string, unknown> = {}
  take('Agent', (object, name, spec) => {
    agents[name] = spec
    owners.set(['a2a', 'agents', name], called(object))
    return name
  })
  return {
    providers: providers as OwnObjects['providers'],
    models: models as OwnObjects['models'],
    servers,
    endpoints,
    agents,
    names,
    said,
  }
}
