import { existsSync, readFileSync } from 'node:fs'
import { localBackend, sharedBackend } from '../backend.ts'
import { formatDiagnostics } from '../config/format.ts'
import { loadPart } from '../config/load.ts'
import type { Rules, RulesInput } from '../config/schema.ts'
import { watchRules } from '../config/watch.ts'
import { GatewayApi, nothing, takenPorts } from '../gateway-api/controller.ts'
import { manifestFiles, readManifests, unknownKinds } from '../gateway-api/files.ts'
import { defaultController } from '../gateway-api/kinds.ts'
import { shifted, type TranslateOptions } from '../gateway-api/options.ts'
import { FileObjects, type ObjectSource } from '../gateway-api/source.ts'
import type { StatusUpdate } from '../gateway-api/statuses.ts'
import { translate } from '../gateway-api/translate.ts'
import { tokensFile } from '../mcp/oauth/file-token-store.ts'
import { pinsFile } from '../mcp/pins/file-pin-store.ts'
import { checkExpressions } from '../policy/check.ts'
import { type Beginning, defaultFile, RulesError, type StoreOptions } from './rules.ts'

/** Options of commands that read the Gateway API. */
export interface GatewayApiOptions {
  /** Files and directories; true: a cluster. */
  gatewayApi?: true | string[]
  controller?: string
  bind?: string
  gatewayAddress?: string[]
  gateway?: string[]
  watchNamespace?: string[]
  leaderElection?: boolean
  kubeContext?: string
}

/** What the options mean. @throws {RulesError} */
export function translateOptions(options: GatewayApiOptions): Omit<TranslateOptions, 'now' | 'taken'> {
  const fromFiles = options.gatewayApi !== true
  for (const name of options.gateway ?? [])
    if (!/^[^/]+\/[^/]+$/.test(name)) throw new RulesError(`--gateway is written NAMESPACE/NAME, not ${name}`)
  return {
    controller: options.controller ?? defaultController,
    bind: options.bind ?? (fromFiles ? '127.0.0.1' : '0.0.0.0'),
    portOf: shifted,
    addresses: (options.gatewayAddress ?? []).map((value) => ({
      type: /^[0-9.]+$|:/.test(value) ? 'IPAddress' : 'Hostname',
      value,
    })),
    only: options.gateway && new Set(options.gateway),
    dns: fromFiles,
    local: fromFiles,
  }
}

/** The gateway's own rules, which stand beside the objects. @throws {RulesError} */
export function ownRules(file: string | undefined): { part: RulesInput; file: string | undefined } {
  const path = file ?? (existsSync(defaultFile) ? defaultFile : undefined)
  if (path === undefined) return { part: {}, file: undefined }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RulesError(`${path} cannot be read: ${(error as Error).message}`)
  }
  return { part: partOf(text, path), file: path }
}

/** @throws {RulesError} */
function partOf(text: string, path: string): RulesInput {
  const loaded = loadPart({ name: path, text })
  if ('diagnostics' in loaded) throw new RulesError(formatDiagnostics(loaded.diagnostics, [{ name: path, text }]))
  return loaded.part
}

/** The objects that the options name. */
async function sourceOf(options: GatewayApiOptions, report: (message: string) => void): Promise<ObjectSource> {
  if (options.gatewayApi !== true) return new FileObjects(options.gatewayApi ?? [], report)
  const { clusterSource } = await import('../gateway-api/cluster/source.ts')
  return clusterSource({
    context: options.kubeContext,
    namespaces: options.watchNamespace,
    leaderElection: options.leaderElection !== false,
    controller: options.controller ?? defaultController,
    report,
  })
}

/**
 * What a service begins with that gets its rules from the Gateway API.
 * @throws {RulesError | RangeError | Error}
 */
export async function beginGatewayApi(
  options: GatewayApiOptions & StoreOptions & { file?: string | undefined },
  report: (error: unknown) => void,
): Promise<Beginning> {
  let { part, file } = ownRules(options.file)
  const say = (message: string) => report(new Error(message))
  const source = await sourceOf(options, say)
  const controller = new GatewayApi({
    source,
    base: () => part,
    options: translateOptions(options),
    further: checkExpressions,
    report: say,
  })
  let rules: Rules
  try {
    rules = await controller.first()
  } catch (error) {
    await controller.stop()
    throw error
  }
  const warnings =
    options.gatewayApi === true
      ? []
      : unknownKinds([...source.objects()]).map((kind) => `warning: objects of the kind ${kind} are not read`)
  if (Object.keys(rules.listeners).length === 0)
    warnings.push('warning: there is no Gateway of this controller that can be served yet')
  const { store, keys, state } = options
  const backend =
    store === undefined
      ? await localBackend(keys, report, pinsFile(state), tokensFile(state))
      : { ...(await sharedBackend({ ...options, store }, report)), rules: undefined }
  return {
    rules,
    warnings,
    demo: false,
    backend,
    objects: controller.text,
    source: {
      follow(put) {
        const following = controller.follow(put)
        const watch =
          file === undefined
            ? undefined
            : watchRules(file, (text) => {
                try {
                  part = partOf(text, file!)
                  controller.changed()
                } catch (error) {
                  report(error)
                }
              })
        return {
          stop() {
            watch?.stop()
            following.stop()
          },
        }
      },
    },
  }
}

/**
 * What objects of files mean, for commands that only look.
 * @throws {RulesError} where they hold no Gateway that can be served, or cannot be read
 */
export function translated(options: GatewayApiOptions & { file?: string | undefined }): {
  rules: Rules
  objects: readonly StatusUpdate[]
} {
  if (options.gatewayApi === true || !options.gatewayApi)
    throw new RulesError('Name the files or directories to render: --gateway-api PATH. Clusters are for run and serve.')
  const { objects, problems } = readManifests(filesOf(options.gatewayApi))
  const own = ownRules(options.file)
  const { rules, statuses, findings } = translate(
    objects,
    own.part,
    {
      ...translateOptions(options),
      now: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      taken: takenPorts(own.part),
    },
    checkExpressions,
  )
  for (const line of [
    ...problems,
    ...findings,
    ...unknownKinds(objects).map((kind) => `objects of the kind ${kind} are not read`),
  ])
    process.stderr.write(`warning: ${line}\n`)
  return { rules: rules ?? nothing(own.part), objects: statuses }
}

/** @throws {RulesError} */
function filesOf(paths: readonly string[]): string[] {
  try {
    return manifestFiles(paths)
  } catch (error) {
    throw new RulesError((error as Error).message)
  }
}

/** Statuses as objects that could be applied: what they are of, and no more. */
export function statusesOf(updates: readonly StatusUpdate[]): object[] {
  return updates.map(({ object: { apiVersion, kind, metadata }, status }) => ({
    apiVersion,
    kind,
    metadata: { name: metadata.name, ...(metadata.namespace !== undefined && { namespace: metadata.namespace }) },
    status,
  }))
}
