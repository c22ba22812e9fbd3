import { bulkOf } from './bulk.ts'
import { checkRules, type Finding } from './check.ts'
import { aboutFile, type Diagnostic, type RuleFile } from './diagnostic.ts'
import { explain } from './explain.ts'
import { joinFiles } from './join.ts'
import { pathText } from './path.ts'
import { type Rules, type RulesInput, rulesSchema } from './schema.ts'
import { inWords } from './wording.ts'
import { parseYaml, type Source } from './yaml.ts'

export type { Diagnostic, RuleFile } from './diagnostic.ts'
export { type Path, pathText } from './path.ts'

export type LoadResult = { rules: Rules; warnings: Diagnostic[] } | { diagnostics: Diagnostic[] }

const longestText = 4 * 1024 * 1024
/** More than these nobody reads, and each has to be looked up in its file. */
const mostDiagnostics = 100

/**
 * Reads rules from YAML or JSON text.
 * @param file named in the diagnostics
 * @param further looks for what only others can know of: expressions, what cannot be carried out
 * @returns the rules with every default filled in, or what is wrong with them
 */
export function loadRules(text: string, file: string, further?: (rules: Rules) => Finding[]): LoadResult {
  return loadRuleSet([{ name: file, text }], further)
}

/**
 * Reads a file of rules that are only a part of all: its form is checked, and not whether it is enough by itself.
 * @returns what the file says, without defaults, or what is wrong with it
 */
export function loadPart(file: RuleFile): { part: RulesInput } | { diagnostics: Diagnostic[] } {
  const source = parseYaml(file)
  if (Array.isArray(source)) return { diagnostics: source }
  const value = source.value ?? {}
  const parsed = rulesSchema.safeParse(value, { error: inWords })
  if (parsed.success) return { part: value as RulesInput }
  const findings = explain(parsed.error.issues, value).slice(0, mostDiagnostics)
  return {
    diagnostics: findings.map(({ ofKey = false, ...finding }) => ({
      ...source.at(finding.path, ofKey),
      ...finding,
      path: pathText(finding.path),
    })),
  }
}

/**
 * Reads rules that are spread over several files: their maps of names (providers, models, limits, …) are joined, and each
 * name, and each single thing such as `telemetry`, may be said in one of them only.
 * @param files at least one
 */
export function loadRuleSet(files: readonly RuleFile[], further: (rules: Rules) => Finding[] = () => []): LoadResult {
  const length = files.reduce((sum, { text }) => sum + text.length, 0)
  if (length > longestText)
    return { diagnostics: [aboutFile(files[0]!.name, `the rules must not be longer than ${longestText} characters`)] }
  const bulk = bulkOf(files)
  if (bulk) return { diagnostics: [bulk] }
  const sources: Source[] = []
  const broken: Diagnostic[] = []
  for (const file of files) {
    const parsed = parseYaml(file)
    if (Array.isArray(parsed)) broken.push(...parsed)
    else sources.push(parsed)
  }
  const [first, ...rest] = sources
  if (broken.length > 0 || !first) return { diagnostics: broken.slice(0, mostDiagnostics) }

  const { value, owner, twice } = joinFiles([first, ...rest])
  if (twice.length > 0)
    return {
      diagnostics: twice.slice(0, mostDiagnostics).map(({ path, first, second }) => ({
        ...second.at(path, true),
        path: pathText(path),
        message: `is said in ${first.name} as well; say it in one file`,
      })),
    }
  const ranks = new Map(files.map(({ name }, index) => [name, index]))
  /** In the order in which they stand in the files. */
  const inPlaces = (findings: readonly (Finding & { ofKey?: boolean })[]): Diagnostic[] =>
    findings
      .slice(0, mostDiagnostics)
      .map(({ ofKey = false, ...finding }) => ({
        ...owner(finding.path).at(finding.path, ofKey),
        ...finding,
        path: pathText(finding.path),
      }))
      .sort((a, b) => ranks.get(a.file)! - ranks.get(b.file)! || a.line - b.line || a.column - b.column)
  const parsed = rulesSchema.safeParse(value ?? {}, { error: inWords })
  if (!parsed.success) return { diagnostics: inPlaces(explain(parsed.error.issues, value)) }

  const { errors, warnings } = checkRules(parsed.data)
  errors.push(...further(parsed.data))
  return errors.length > 0 ? { diagnostics: inPlaces(errors) } : { rules: parsed.data, warnings: inPlaces(warnings) }
}
