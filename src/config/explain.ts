import type { z } from 'zod'
import { type Path, valueAt } from './path.ts'
import { formsOf, keysAt } from './shape.ts'
import { listed, nearest } from './suggest.ts'
import { anyOf, kindOfType } from './wording.ts'

/** A mistake in rules that do not fit the schema. */
export interface Mistake {
  path: Path
  /** Whether the place is the key rather than its value. */
  ofKey: boolean
  message: string
  suggestion?: string
}

type Issue = z.core.$ZodIssue

/**
 * Says what the schema found in words for people.
 * @param issues of a parse with the messages of `wording.ts`
 * @param root the rules as they were written
 */
export function explain(issues: readonly Issue[], root: unknown): Mistake[] {
  const mistakes = issues.flatMap((issue) => explainIssue(issue, root))
  // A key that is only misspelt is not missing as well.
  const meant = new Set(
    mistakes
      .filter(({ message, suggestion }) => suggestion !== undefined && message === noSuchKey)
      .map(({ path, suggestion }) => JSON.stringify([...path.slice(0, -1), suggestion])),
  )
  return mistakes.filter(({ path }) => valueAt(root, path) !== undefined || !meant.has(JSON.stringify(path)))
}

/** One issue may be several mistakes (unknown keys). */
function explainIssue(issue: Issue, root: unknown): Mistake[] {
  const path = issue.path as Path
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key], root))
    case 'invalid_key':
      return [{ path, ofKey: true, message: issue.message }]
    case 'invalid_value':
      return [choice(path, root, issue.message, issue.values.map(String))]
    case 'invalid_union':
      return explainUnion(issue, root)
    default:
      return [choice(path, root, issue.message, [])]
  }
}

const noSuchKey = 'there is no such key here'

function unknownKey(path: Path, root: unknown): Mistake {
  const keys = keysAt(path.slice(0, -1), root)
  const suggestion = nearest(String(path.at(-1)), keys)
  if (suggestion !== undefined) return { path, ofKey: true, message: noSuchKey, suggestion }
  return { path, ofKey: true, message: `${noSuchKey}; ${listed('key', keys)}` }
}

/** @param choices what may stand there, where it is one of a few words */
function choice(path: Path, root: unknown, message: string, choices: readonly string[]): Mistake {
  const value = valueAt(root, path)
  const missing = value === undefined
  const suggestion = typeof value === 'string' ? nearest(value, choices) : undefined
  return {
    path,
    ofKey: missing,
    message: missing ? `is missing; it ${message}` : message,
    ...(suggestion !== undefined && { suggestion }),
  }
}

type UnionIssue = Extract<Issue, { code: 'invalid_union' }>

function explainUnion(issue: UnionIssue, root: unknown): Mistake[] {
  const path = issue.path as Path
  if ('options' in issue && issue.options) {
    const kinds = issue.options.map(String)
    return [choice(path, root, `must be ${anyOf(kinds)}`, kinds)]
  }
  // The alternative that the value has the form of is the one that was meant.
  const [meant] = issue.errors
    .filter((issues) => issues.every((inner) => inner.path.length > 0 || !isOfForm(inner)))
    .sort((a, b) => a.length - b.length)
  if (meant) return meant.flatMap((inner) => explainIssue({ ...inner, path: [...path, ...inner.path] }, root))
  const words = issue.errors.flatMap((issues) =>
    issues.flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : [])),
  )
  return [choice(path, root, `must be ${formsOf(path, root).map(formInWords).join(', or ')}`, words)]
}

/** Whether an issue means that another alternative was written. */
function isOfForm({ code }: Issue): boolean {
  return code === 'invalid_type' || code === 'invalid_value'
}

function formInWords(form: ReturnType<typeof formsOf>[number]): string {
  if (form.words) return anyOf(form.words)
  return form.keys ? `a mapping with ${form.keys.join(', ')}` : kindOfType(form.type)
}
