import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { defaultRules } from '../config/defaults.ts'
import { formatDiagnostics } from '../config/format.ts'
import { loadRules } from '../config/load.ts'
import { type Rules, rulesSchema } from '../config/schema.ts'
import { checkExpressions } from '../policy/check.ts'

/** Where rules are looked for when no file is named. */
export const defaultFile = 'chaperone.yaml'

/** Rules, and where they came from. */
export interface LoadedRules {
  rules: Rules
  /** Absent: made from the environment. */
  file?: string
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
  const result = loadRules(text, path, checkExpressions)
  if ('diagnostics' in result) throw new RulesError(formatDiagnostics(result.diagnostics, text))
  return {
    rules: result.rules,
    file: path,
    warnings: result.warnings.map((warning) => `warning: ${formatDiagnostics([warning], text)}`),
  }
}
