import type { Finding } from '../config/check.ts'
import type { Path } from '../config/load.ts'
import type { Rules } from '../config/schema.ts'
import { ExpressionCompiler, ExpressionError } from './expression.ts'

/** Every expression of the rules: where it stands, and whether it must be a condition. */
function* expressions(rules: Rules): Iterable<{ path: Path; source: string; condition: boolean }> {
  for (const [name, { when }] of Object.entries(rules.policies.rules))
    yield { path: ['policies', 'rules', name, 'when'], source: when, condition: true }
  for (const section of ['limits', 'budgets', 'guards', 'prompts'] as const)
    for (const [name, { when }] of Object.entries(rules[section]))
      if (when !== undefined) yield { path: [section, name, 'when'], source: when, condition: true }
  for (const section of ['limits', 'budgets'] as const)
    for (const [name, { by }] of Object.entries(rules[section]))
      for (const [index, dimension] of by.entries())
        if (typeof dimension === 'object')
          yield { path: [section, name, 'by', index, 'expression'], source: dimension.expression, condition: false }
  for (const [name, { approval }] of Object.entries(rules.mcp.servers))
    if (approval !== undefined) yield { path: ['mcp', 'servers', name, 'approval'], source: approval, condition: true }
  for (const [index, { when }] of rules.egress.rules.entries())
    if (when !== undefined) yield { path: ['egress', 'rules', index, 'when'], source: when, condition: true }
}

/** Compiles every expression of the rules. @returns what is wrong with them, and where */
export function checkExpressions(rules: Rules): Finding[] {
  const compiler = new ExpressionCompiler(Object.keys(rules.budgets))
  const findings: Finding[] = []
  for (const { path, source, condition } of expressions(rules))
    try {
      if (condition) compiler.condition(source, true)
      else compiler.value(source)
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      findings.push({ path, message: `column ${error.column} of the expression: ${error.message}` })
    }
  return findings
}
