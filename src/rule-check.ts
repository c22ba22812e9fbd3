import { type Diagnostic, loadRuleSet, type RuleFile } from './config/load.ts'
import { checkNamedFiles } from './config/named-files.ts'
import type { Rules } from './config/schema.ts'
import { HealthBook } from './llm/balance.ts'
import { compileLlm } from './llm/compile.ts'
import { checkExpressions } from './policy/check.ts'
import { ExpressionCompiler } from './policy/expression.ts'

export type CheckedRules = { rules: Rules; warnings: Diagnostic[] } | { diagnostics: Diagnostic[] }

/**
 * Looks whether rules could be put into force: form, references, expressions, and whether they can be carried out. Nothing is
 * started, and no secret is read.
 */
export function checkRuleFiles(files: readonly RuleFile[]): CheckedRules {
  const loaded = loadRuleSet(files, (rules) => [...checkExpressions(rules), ...checkNamedFiles(rules, false)])
  if ('diagnostics' in loaded) return loaded
  try {
    const { budgets } = loaded.rules
    const secrets = { resolve: (reference: string) => reference }
    compileLlm(loaded.rules, secrets, new HealthBook(), new ExpressionCompiler(Object.keys(budgets)))
    return loaded
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { diagnostics: [{ file: files[0]!.name, line: 1, column: 1, path: '', message: error.message }] }
  }
}

/** The same, as a store asks. @returns what is wrong */
export function validateRuleFiles(files: readonly RuleFile[]): Diagnostic[] {
  const checked = checkRuleFiles(files)
  return 'diagnostics' in checked ? checked.diagnostics : []
}
