import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Backend, localBackend, sharedBackend } from '../backend.ts'
import { defaultRules } from '../config/defaults.ts'
import { formatDiagnostics } from '../config/format.ts'
import { loadRuleSet, type RuleFile } from '../config/load.ts'
import { type Rules, rulesSchema } from '../config/schema.ts'
import type { ObjectReference } from '../config/secrets.ts'
import { tokensFile } from '../mcp/oauth/file-token-store.ts'
import { pinsFile } from '../mcp/pins/file-pin-store.ts'
import { checkExpressions } from '../policy/check.ts'
import { fileSource, type RuleSource, StoreSource } from '../rule-source.ts'

/** Where rules are looked for when no file is named. */
export const defaultFile = 'chaperone.yaml'

/** Rules, and where they came from. */
export interface LoadedRules {
  rules: Rules
  /** Absent: made from the environment, or from a store. */
  file?: string
  /** The number of the revision, where they are from a store. */
  revision?: number
  warnings: string[]
  /** Whether the demo upstream is meant. */
  demo: boolean
}

/** The user's rules cannot be used; `message` says why, for people. */
export class RulesError extends Error {
  override readonly name = 'RulesError'
}

/**
 * Loads the rules that a command is to use.
 * @param demoUrl base URL of the demo upstream, asked for only when there is nothing else
 * @throws {RulesError}
 */
export async function rulesFor(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  demoUrl: () => Promise<string> | string,
): Promise<LoadedRules> {
  const path = file ?? (existsSync(defaultFile) ? defaultFile : undefined)
  if (path !== undefined) return { ...readRules(path), demo: false }
  const made = defaultRules(env)
  const { rules, demo } = made.demo ? defaultRules(env, await demoUrl()) : made
  const parsed = rulesSchema.safeParse(rules)
  if (!parsed.success) throw new RulesError(`The environment makes no valid rules: ${z.prettifyError(parsed.error)}`)
  return { rules: parsed.data, warnings: [], demo }
}

/** @throws {RulesError} where the file cannot be read or does not hold rules */
export function readRules(path: string): { rules: Rules; file: string; warnings: string[] } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RulesError(`${path} cannot be read: ${(error as Error).message}`)
  }
  return { ...rulesIn([{ name: path, text }]), file: path }
}

/** @throws {RulesError} where the files do not hold rules */
export function rulesIn(files: readonly RuleFile[]): { rules: Rules; warnings: string[] } {
  const result = loadRuleSet(files, checkExpressions)
  if ('diagnostics' in result) throw new RulesError(formatDiagnostics(result.diagnostics, files))
  return {
    rules: result.rules,
    warnings: result.warnings.map((warning) => `warning: ${formatDiagnostics([warning], files)}`),
  }
}

/** Options that say where shared rules, keys and counts are. */
export interface StoreOptions {
  /** URL of a Redis; none: this machine by itself. */
  store?: string | undefined
  tenant: string
  state: string
  /** The slot of the state directory to use, and those that others have; see takeover/slots.ts. */
  slot?: number | undefined
  taken?: readonly number[] | undefined
  /** The file of virtual keys, without a store. */
  keys?: string | undefined
  /** Where the management API listens. */
  api?: string | undefined
}

/** Where the management API is to listen: `127.0.0.1:10002`. @throws {RangeError} */
export function apiAddress(text: string | undefined, env: NodeJS.ProcessEnv) {
  if (text === undefined) return undefined
  const [, address, port] = /^(?:\[?([^\]]+)\]?:)?(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535)
    throw new RangeError('--api is written ADDRESS:PORT, such as 127.0.0.1:10002')
  return { address: address ?? '127.0.0.1', port: Number(port), rootToken: env.CHAPERONE_ADMIN_TOKEN }
}

/** What a service begins with: its rules, where changed ones come from, and the rest of what it keeps. */
export interface Beginning extends LoadedRules {
  source?: RuleSource | undefined
  backend: Backend
  /** Secrets and ConfigMaps of Kubernetes, where the rules are made of its objects. */
  objects?: ((reference: ObjectReference) => string | undefined) | undefined
}

/**
 * Finds the rules a service begins with, and opens what it keeps. With a store, rules come from there unless a file is named; keys, counts
 * and usage are in the store either way.
 * @param demoUrl as of `rulesFor`
 * @param report told of what goes wrong beside any request
 * @throws {RulesError | StoreError | KeyStoreError | RangeError}
 */
export async function begin(
  options: StoreOptions & { file?: string | undefined },
  env: NodeJS.ProcessEnv,
  demoUrl: () => Promise<string> | string,
  report: (error: unknown) => void,
): Promise<Beginning> {
  const { store, file, keys } = options
  if (store === undefined) {
    const loaded = await rulesFor(file, env, demoUrl)
    const backend = await localBackend(
      loaded.demo ? undefined : keys,
      report,
      pinsFile(options.state),
      tokensFile(options.state),
      loaded.demo ? undefined : options.state,
    )
    return { ...loaded, backend, ...(loaded.file !== undefined && { source: fileSource(loaded.file) }) }
  }
  const backend = await sharedBackend({ ...options, store }, report)
  try {
    if (file !== undefined) {
      const loaded = await rulesFor(file, env, demoUrl)
      // Revisions in the store are not what this service obeys.
      return { ...loaded, source: fileSource(file), backend: { ...backend, rules: undefined } }
    }
    const source = new StoreSource(backend.rules!, report)
    const { number, files } = await source.first()
    return { ...rulesIn(files), revision: number, demo: false, source, backend }
  } catch (error) {
    await backend.close()
    throw error
  }
}

/** An error and what it came from, in one line for a terminal. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
