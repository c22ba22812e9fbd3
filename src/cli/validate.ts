import { formatDiagnostics } from '../config/format.ts'
import type { Diagnostic, RuleFile } from '../config/load.ts'
import { checkRuleFiles } from '../rule-check.ts'
import { readRuleFiles } from '../store/files.ts'

/** What is found in one file, or in the files of one directory. */
interface Report {
  file: string
  errors: Diagnostic[]
  warnings: Diagnostic[]
  files: readonly RuleFile[]
}

/**
 * `chaperone validate`: checks rules without starting anything or reading any secret.
 * @param paths files, each a whole set of rules, or directories, whose files are one set
 * @param write where the findings go
 * @returns the exit code: 0 where all are good, warnings or not
 */
export async function validate(
  paths: readonly string[],
  { output }: { output: 'text' | 'json' },
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  const reports = paths.map(check)
  if (output === 'json')
    write(`${JSON.stringify({ files: reports.map(({ files: _, ...report }) => report) }, null, 2)}\n`)
  else
    for (const { file, errors, warnings, files } of reports) {
      if (errors.length > 0) write(`${formatDiagnostics(errors, files)}\n`)
      if (warnings.length > 0) write(`warning: ${formatDiagnostics(warnings, files)}\n`)
      if (errors.length === 0) write(`${file}: ok\n`)
    }
  return reports.every(({ errors }) => errors.length === 0) ? 0 : 1
}

function check(path: string): Report {
  let files: RuleFile[]
  try {
    files = readRuleFiles(path)
  } catch (error) {
    return { file: path, errors: [whole(path, `cannot be read: ${(error as Error).message}`)], warnings: [], files: [] }
  }
  if (files.length === 0) return { file: path, errors: [whole(path, 'holds no *.yaml')], warnings: [], files }
  // Findings name a file as the user did.
  if (files.length === 1) files = [{ name: path, text: files[0]!.text }]
  const checked = checkRuleFiles(files)
  return 'diagnostics' in checked
    ? { file: path, errors: checked.diagnostics, warnings: [], files }
    : { file: path, errors: [], warnings: checked.warnings, files }
}

/** A finding that has no place in the file. */
function whole(file: string, message: string): Diagnostic {
  return { file, line: 1, column: 1, path: '', message }
}
