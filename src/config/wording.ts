import type { z } from 'zod'

/**
 * What zod finds, as half a sentence that says what to write: `must be at most 65535`. What the schema itself says of a value
 * (`must be a duration such as 30s`) comes before this.
 */
export const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kindOfType(issue.expected)}${contrast(issue.expected, issue.input)}`
    case 'invalid_value':
      return `must be ${anyOf(issue.values.map(String))}`
    case 'too_small':
      if (isCounted(issue.origin)) return `must ${atLeast(issue.origin, Number(issue.minimum))}`
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
    case 'too_big':
      if (isCounted(issue.origin)) return `must have at most ${issue.maximum} ${things(issue.origin)}`
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'invalid_format':
      return `must be ${issue.pattern === undefined ? `written as ${issue.format}` : `text that matches ${issue.pattern}`}`
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'must have another name'
    case 'unrecognized_keys':
      return 'there is no such key here'
    default:
      return 'must be written in another way'
  }
}

/** `text`, `a list`, …: a type of the schema, for people. */
export function kindOfType(type: string): string {
  switch (type) {
    case 'string':
      return 'text'
    case 'boolean':
      return 'true or false'
    case 'int':
      return 'a whole number'
    case 'array':
      return 'a list'
    case 'object':
    case 'record':
      return 'a mapping'
    case 'null':
      return 'null'
    default:
      return `a ${type}`
  }
}

/** What stands there instead, as the end of a sentence; empty where nothing does. */
function contrast(expected: string, input: unknown): string {
  if (input === undefined) return ''
  if (input === null) return ', but nothing is written here'
  if (Array.isArray(input)) return ', not a list'
  switch (typeof input) {
    case 'string':
      if (expected === 'boolean') return ', not text: YAML 1.2 knows no yes and no, no on and off'
      if (isNumeric(expected) && /^-?\d+(\.\d+)?$/.test(input)) return ': leave out the quotes'
      return ', not text'
    case 'number':
      return expected === 'string' ? ', not a number: put it in quotes' : `, not ${input}`
    case 'boolean':
      return expected === 'string' ? `, not ${input}: put it in quotes` : `, not ${input}`
    default:
      return ', not a mapping'
  }
}

/** `one of a, b, c`, and a single value as it is. */
export function anyOf(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : `one of ${values.join(', ')}`
}

function isNumeric(type: string): boolean {
  return type === 'number' || type === 'int'
}

/** Whether a bound is one of length rather than of value. */
function isCounted(origin: string): boolean {
  return origin === 'string' || origin === 'array'
}

function things(origin: string): string {
  return origin === 'string' ? 'characters' : 'items'
}

function atLeast(origin: string, minimum: number): string {
  if (minimum !== 1) return `have at least ${minimum} ${things(origin)}`
  return origin === 'string' ? 'not be empty' : 'have at least one item'
}
