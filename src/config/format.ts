import type { Diagnostic } from './load.ts'

/**
 * Diagnostics for people: place, path, what is wrong and what was probably meant, then the line with a caret.
 * @param text the file the diagnostics are of
 */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], text: string): string {
  const lines = text.split(/\r\n|\r|\n/)
  return diagnostics.map((diagnostic) => formatDiagnostic(diagnostic, lines)).join('\n\n')
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
