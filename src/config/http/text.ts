import { z } from 'zod'

/** What routes of plain HTTP compare: header names, paths, texts. */

const headerHint = 'must be a header’s name, such as x-tenant'
/** A header's name; Envoy compares without case. */
export const headerName = z
  .string(headerHint)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, headerHint)
  .describe('A header’s name')

const pathHint = 'must begin with a slash and hold no blanks, ? or #'
/** A path without query. */
export const path = z
  .string(pathHint)
  .max(2048)
  .regex(/^\/[^\s?#]*$/, pathHint)

const lookAround = /\(\?<?[=!]|\\[1-9]|\(\?P?<\w+>.*\\k/

/** A regular expression of RE2, which has no look-around and no references back. Envoy has the last word. */
export const regex = z
  .string()
  .min(1)
  .max(1024)
  .refine((text) => !lookAround.test(text), 'must be of RE2: without look-around and references back')
  .refine(compiles, 'is no regular expression')

function compiles(text: string): boolean {
  try {
    // Flags in front are RE2's own.
    new RegExp(text.replace(/^\(\?[imsU]+\)/, '').replaceAll('(?P<', '(?<'))
    return true
  } catch {
    return false
  }
}

const ways = ['exact', 'prefix', 'suffix', 'contains', 'regex', 'present'] as const

/** A text of a request, compared: just a text for equality, or a way of comparing. */
export const textMatch = z.union([
  z.string().min(1).max(1024),
  z
    .strictObject({
      exact: z.string().max(1024).optional().describe('Is this'),
      prefix: z.string().min(1).max(1024).optional().describe('Begins with this'),
      suffix: z.string().min(1).max(1024).optional().describe('Ends with this'),
      contains: z.string().min(1).max(1024).optional().describe('Holds this'),
      regex: regex.optional().describe('Is matched as a whole by this regular expression (RE2)'),
      present: z.boolean().optional().describe('Is there at all (true), or is not (false)'),
      not: z.boolean().default(false).describe('Turns the comparison round'),
    })
    .refine(
      (match) => ways.filter((way) => match[way] !== undefined).length === 1,
      `needs exactly one of ${ways.join(', ')}`,
    ),
])

export type TextMatch = z.output<typeof textMatch>

/** How a text match compares, `exact` where it is just a text. */
export function comparisonOf(match: TextMatch): Exclude<TextMatch, string> {
  return typeof match === 'string' ? { exact: match, not: false } : match
}
