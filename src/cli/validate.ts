import { statSync } from 'node:fs'
import { join } from 'node:path'
import { aboutFile, type Diagnostic, type RuleFile } from '../config/diagnostic.ts'
import { formatDiagnostics } from '../config/format.ts'
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
      for (const warning of warnings) write(`warning: ${formatDiagnostics([warning], files)}\n`)
      if (errors.length === 0) write(`${file}: ok\n`)
    }
  return reports.every(({ errors }) => errors.length === 0) ? 0 : 1
}

function check(path: string): Report {
  let files: RuleFile[]
  try {
    const ofDirectory = statSync(path).isDirectory()
    // Findings name a file as the user did.
    files = readRuleFiles(path).map(({ name, text }) => ({ name: ofDirectory ? join(path, name) : path, text }))
  } catch (error) {
    const unreadable = aboutFile(path, `cannot be read: ${(error as Error).message}`)
    return { file: path, errors: [unreadable], warnings: [], files: [] }
  }
  if (files.length === 0) return { file: path, errors: [aboutFile(path, 'holds no *.yaml')], warnings: [], files }
  const checked = checkRuleFiles(files)
  return 'diagnostics' in checked
    ? { file: path, errors: checked.diagnostics, warnings: [], files }
    : { file: path, errors: [], warnings: checked.warnings, files }
}
