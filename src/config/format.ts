import type { Diagnostic, RuleFile } from './diagnostic.ts'

/**
 * Diagnostics for people: place, path, what is wrong and what was probably meant, then the line with a caret.
 * @param source the file the diagnostics are of, or all of them where they are of several
 */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], source: string | readonly RuleFile[]): string {
  const linesOf = (file: string) => {
    const text = typeof source === 'string' ? source : (source.find(({ name }) => name === file)?.text ?? '')
    return text.split(/\r\n|\r|\n/)
  }
  return diagnostics.map((diagnostic) => formatDiagnostic(diagnostic, linesOf(diagnostic.file))).join('\n\n')
}

function formatDiagnostic(
  { file, line, column, path, message, suggestion }: Diagnostic,
  lines: readonly string[],
): string {
  const head = `${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`
  const source = lines[line - 1]
  if (source === undefined || source.trim() === '' || source.length > 300) return head
  const number = String(line)
  return `${head}\n  ${number} | ${source}\n  ${' '.repeat(number.length)} | ${' '.repeat(column - 1)}^`
}
