import { setFlagsFromString } from 'node:v8'

// Lets patterns be asked whether they can be matched in linear time (the flag l), and those that can, be so where they backtrack too long.
setFlagsFromString('--enable-experimental-regexp-engine')
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

/** A pattern whose matching takes time in proportion to the text's length. */
export interface LinearPattern {
  /** Global, and without other flags; quick for most texts, linear where it would backtrack a lot. */
  readonly pattern: RegExp
  /** The same, slower for most texts, but linear for every one: V8 does not count all that the other one goes back. */
  readonly steady: RegExp
  /** No match is longer, in UTF-16 units; infinite: there is no such length. */
  readonly longest: number
}

/** Repetitions are written out: so long may a pattern become. The time per character grows with it. */
const longestSource = 2_500

/**
 * Compiles a regular expression that somebody else wrote. V8 can match some in linear time, and says which; repetitions with counts it
 * does not, so they are written out.
 * @throws {RangeError} where it is wrong or has no such form, with what is to be changed
 */
export function linearPattern(source: string): LinearPattern {
  try {
    new RegExp(source, 'u')
  } catch (error) {
    throw new RangeError(`the pattern is wrong: ${(error as Error).message}`)
  }
  if (/[\u{10000}-\u{10ffff}]/u.test(source))
    throw new RangeError('a pattern has no characters above U+FFFF (emoji) here')
  const { text, longest } = new Expansion(source).alternatives()
  try {
    return { pattern: new RegExp(text, 'g'), steady: new RegExp(text, 'gl'), longest }
  } catch {
    throw new RangeError('the pattern cannot be matched in linear time')
  }
}

/** A piece of a pattern. */
interface Piece {
  readonly text: string
  readonly longest: number
}

const refusals: readonly [RegExp, string][] = [
  [/\(\?<?[=!]/y, 'a pattern has no look-around here'],
  [/\\(?:[1-9]|k)/y, 'a pattern has no back-references here'],
  [/\\[pP]/y, 'a pattern has no \\p{…} here: write the characters, like [a-zäöü]'],
  [/\\u\{/y, 'a pattern has no \\u{…} here: write \\u and four digits'],
]
const group = /\((?:\?:|\?<[^>]+>)?/y
const characterClass = /\[(?:[^\]\\]|\\[\s\S])*\]/y
const escapeSequence = /\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z]|[\s\S])/y
const counts = /\{(\d+)(,?)(\d*)\}(\??)/y
const simpleQuantifier = /[*+?]\??/y

/** Reads a valid pattern (ECMA-262, 22.2.1) and writes it without counts and captures. */
class Expansion {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  /** Up to a closing bracket, or the end. */
  alternatives(): Piece {
    let text = ''
    let longest = 0
    let current = 0
    while (this.#at < this.#source.length && this.#source[this.#at] !== ')') {
      if (this.#source[this.#at] === '|') {
        this.#at++
        text += '|'
        longest = Math.max(longest, current)
        current = 0
        continue
      }
      const piece = this.#quantified(this.#atom())
      text += piece.text
      current += piece.longest
      if (text.length > longestSource) throw tooMany()
    }
    return { text, longest: Math.max(longest, current) }
  }

  #atom(): Piece {
    for (const [form, message] of refusals) if (this.#take(form)) throw new RangeError(message)
    if (this.#take(group)) {
      const { text, longest } = this.alternatives()
      this.#at++
      return { text: `(?:${text})`, longest }
    }
    const taken = this.#take(characterClass)
    if (taken) return { text: checked(taken[0]), longest: 1 }
    const escaped = this.#take(escapeSequence)
    if (escaped) return { text: escaped[0], longest: /^\\[bB]$/.test(escaped[0]) ? 0 : 1 }
    const sign = this.#source[this.#at++]!
    return { text: sign, longest: sign === '^' || sign === '$' ? 0 : 1 }
  }

  #quantified(atom: Piece): Piece {
    const simple = this.#take(simpleQuantifier)
    if (simple) {
      const once = simple[0].startsWith('?')
      return { text: atom.text + simple[0], longest: once || atom.longest === 0 ? atom.longest : Infinity }
    }
    const counted = this.#take(counts)
    if (!counted) return atom
    const least = Number(counted[1])
    const endless = counted[2] !== '' && counted[3] === ''
    const most = counted[2] === '' ? least : endless ? Infinity : Number(counted[3])
    const lazy = counted[4]!
    const copies = endless ? least + 1 : most
    if (copies * (atom.text.length + 5) > longestSource) throw tooMany()
    const must = atom.text.repeat(least)
    const longest = atom.longest === 0 ? 0 : atom.longest * most
    if (endless) return { text: `(?:${must}${atom.text}*${lazy})`, longest }
    const may = most - least
    return { text: `(?:${must}${`(?:${atom.text}`.repeat(may)}${`)?${lazy}`.repeat(may)})`, longest }
  }

  #take(form: RegExp): RegExpExecArray | null {
    form.lastIndex = this.#at
    const found = form.exec(this.#source)
    if (found) this.#at = form.lastIndex
    return found
  }
}

/** @throws {RangeError} where a class has an escape that means something else without the flag u */
function checked(text: string): string {
  for (const [escaped] of text.matchAll(/\\[\s\S](?:\{)?/g))
    for (const [form, message] of refusals) {
      form.lastIndex = 0
      if (form.test(escaped)) throw new RangeError(message)
    }
  return text
}

function tooMany(): RangeError {
  return new RangeError('the pattern repeats too much: {1,100} is too much of most things, + is not')
}
