import { Lexer } from 'yaml'
import { aboutFile, type Diagnostic, type RuleFile } from './diagnostic.ts'
import { deepest, tooDeep } from './misuse.ts'

/** Words, signs and breaks of all files together: some 50,000 lines. */
const mostPieces = 500_000

/**
 * Looks whether there is more than can be read in a moment, before anything is made of it: a parser takes ten times as long as
 * this, and rules are read by a service that has requests to answer meanwhile.
 * @returns what there is too much of
 */
export function bulkOf(files: readonly RuleFile[]): Diagnostic | undefined {
  let pieces = 0
  for (const { name, text } of files) {
    let depth = 0
    for (const piece of new Lexer().lex(text)) {
      if (++pieces > mostPieces)
        return aboutFile(name, `the rules must not be made of more than ${mostPieces} words and signs`)
      if (piece === '[' || piece === '{') depth++
      else if (piece === ']' || piece === '}') depth--
      if (depth > deepest) return aboutFile(name, tooDeep)
    }
  }
  return undefined
}
