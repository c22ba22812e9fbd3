import { deepest } from '../../json.ts'

/**
 * Writes JSON in one form only, whatever order its keys came in: RFC 8785 (JSON Canonicalization Scheme), for what
 * JSON.parse gives. Keys are sorted by UTF-16 code units; numbers and strings are written as ECMAScript does. A lone surrogate,
 * which the RFC refuses, is written as its escape.
 * @throws {RangeError} where it is nested deeper than `deepest` of json.ts
 */
export function canonicalJson(value: unknown): string {
  return written(value, deepest)
}

function written(value: unknown, levels: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (levels === 0) throw new RangeError(`It is nested deeper than ${deepest} levels.`)
  if (Array.isArray(value)) return `[${value.map((item) => written(item, levels - 1)).join(',')}]`
  const object = value as Record<string, unknown>
  const members: string[] = []
  for (const key of Object.keys(object).sort()) {
    const item = object[key]
    // As JSON.stringify has it: a member that is undefined is none.
    if (item !== undefined) members.push(`${JSON.stringify(key)}:${written(item, levels - 1)}`)
  }
  return `{${members.join(',')}}`
}
