import type { Diagnostic, RuleFile } from './diagnostic.ts'

/**
 * Diagnostics for people: place, path, what is wrong and what was probably meant, then the line with a caret.
 * @param source the file the diagnostics are of, or all of them where they are of several
 */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], source: string | readonly RuleFile[]): string {
  const lines = new Map<string, readonly string[]>()
  const linesOf = (file: string): readonly string[] => {
    let known = lines.get(file)
    if (!known) {
      const text = typeof source === 'string' ? source : (source.find(({ name }) => name === file)?.text ?? '')
      known = text.replace(/^\uFEFF/, '').split(/\r?\n/)
      lines.set(file, known)
    }
    return known
  }
  return diagnostics.map((diagnostic) => formatDiagnostic(diagnostic, linesOf(diagnostic.file))).join('\n\n')
}

const longestLine = 300

function formatDiagnostic(
  { file, line, column, path, message, suggestion }: Diagnostic,
  lines: readonly string[],
): string {
  const meant = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`
  const head = visible(`${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}${meant}`)
  const source = lines[line - 1]
  if (source === undefined || source.trim() === '' || source.length > longestLine) return head
  const number = String(line)
  // Tabs stay tabs, so that the caret stands where the terminal puts its place.
  const indent = source.slice(0, column - 1).replace(/[^\t]/g, ' ')
  return `${head}\n  ${number} | ${withoutSecrets(visible(source))}\n  ${' '.repeat(number.length)} | ${indent}^`
}

/** A terminal would obey control characters rather than show them. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, '\ufffd')
}

/** Keys whose values are credentials, and credentials that are known by their beginning; references are none. */
const credentials = [
  /(?<=(?:key|key_?id|token|secret|password)["']?\s*:\s*["']?)(?!["']|\$\{|\s)[^\s,}"']{6,}/gi,
  /\b(?:sk-|AIza|AKIA|gsk_|eyJ)[\w.-]{6,}/g,
]

/** Whoever writes a credential into the rules is told so, and it does not get into a log as well. */
function withoutSecrets(line: string): string {
  return credentials.reduce((text, credential) => text.replace(credential, (value) => '*'.repeat(value.length)), line)
}
