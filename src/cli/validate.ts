import { readFileSync } from 'node:fs'
import { formatDiagnostics } from '../config/format.ts'
import { type Diagnostic, loadRules } from '../config/load.ts'
import { HealthBook } from '../llm/balance.ts'
import { compileLlm } from '../llm/compile.ts'
import { checkExpressions } from '../policy/check.ts'
import { ExpressionCompiler } from '../policy/expression.ts'

/** What is found in one file. */
interface Report {
  file: string
  errors: Diagnostic[]
  warnings: Diagnostic[]
  text: string
}

/**
 * `chaperone validate`: checks rules files without starting anything or reading any secret.
 * @param write where the findings go
 * @returns the exit code: 0 where all files are good, warnings or not
 */
export async function validate(
  files: readonly string[],
  { output }: { output: 'text' | 'json' },
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  const reports = files.map(check)
  if (output === 'json')
    write(`${JSON.stringify({ files: reports.map(({ text: _, ...report }) => report) }, null, 2)}\n`)
  else
    for (const { file, errors, warnings, text } of reports) {
      if (errors.length > 0) write(`${formatDiagnostics(errors, text)}\n`)
      if (warnings.length > 0) write(`warning: ${formatDiagnostics(warnings, text)}\n`)
      if (errors.length === 0) write(`${file}: ok\n`)
    }
  return reports.every(({ errors }) => errors.length === 0) ? 0 : 1
}

function check(file: string): Report {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return { file, errors: [whole(file, `cannot be read: ${(error as Error).message}`)], warnings: [], text: '' }
  }
  const loaded = loadRules(text, file, checkExpressions)
  if ('diagnostics' in loaded) return { file, errors: loaded.diagnostics, warnings: [], text }
  try {
    compileLlm(
      loaded.rules,
      { resolve: (reference) => reference },
      new HealthBook(),
      new ExpressionCompiler(Object.keys(loaded.rules.budgets)),
    )
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { file, errors: [whole(file, error.message)], warnings: loaded.warnings, text }
  }
  return { file, errors: [], warnings: loaded.warnings, text }
}

/** A finding that has no place in the file. */
function whole(file: string, message: string): Diagnostic {
  return { file, line: 1, column: 1, path: '', message }
}
