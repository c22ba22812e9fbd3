import { excerptOf } from '../safe-text.ts'
import type { Remark } from './finding.ts'

/**
 * Characters that a model reads and a person does not see. What scripts and emoji need is no finding: joiners between letters of
 * the scripts that join, variation selectors behind emoji and ideographs, directional marks beside right-to-left letters, and
 * the three flags that are written in tag characters.
 */

const suspect = /[\p{Default_Ignorable_Code_Point}\p{Co}\u{2800}\u{FFF9}-\u{FFFB}\u{2028}\u{2029}]|(?![\t\n\r])\p{Cc}/gu

/** England, Scotland and Wales (Unicode RGI_Emoji_Tag_Sequence). */
const tagFlags =
  /\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}/gu

const joining =
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Nko}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Tibetan}\p{Script=Khmer}\p{Script=Myanmar}]/u
const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u

interface HiddenClass {
  readonly name: string
  readonly severity: Remark['severity']
  readonly kind: Remark['kind']
  has(codePoint: number): boolean
}

const within = (from: number, to: number) => (c: number) => c >= from && c <= to

/** The first that has a character names it. */
const classes: readonly HiddenClass[] = [
  { name: 'terminal escapes', severity: 'high', kind: 'terminal-escape', has: (c) => c === 0x1b || c === 0x9b },
  {
    name: 'control characters',
    severity: 'medium',
    kind: 'hidden-character',
    has: (c) => c < 0x20 || (c >= 0x7f && c < 0xa0),
  },
  { name: 'tag characters', severity: 'high', kind: 'hidden-character', has: within(0xe0000, 0xe007f) },
  {
    name: 'characters that turn the direction of writing',
    severity: 'high',
    kind: 'hidden-character',
    has: (c) => (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || (c >= 0x206a && c <= 0x206f),
  },
  {
    name: 'directional marks',
    severity: 'medium',
    kind: 'hidden-character',
    has: (c) => c === 0x200e || c === 0x200f || c === 0x61c,
  },
  {
    name: 'zero-width characters',
    severity: 'high',
    kind: 'hidden-character',
    has: (c) => (c >= 0x200b && c <= 0x200d) || c === 0xfeff || c === 0x2060,
  },
  {
    name: 'variation selectors',
    severity: 'high',
    kind: 'hidden-character',
    has: (c) => (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0100 && c <= 0xe01ef) || (c >= 0x180b && c <= 0x180f),
  },
  { name: 'soft hyphens', severity: 'low', kind: 'hidden-character', has: (c) => c === 0xad },
  {
    name: 'characters of private use',
    severity: 'medium',
    kind: 'hidden-character',
    has: (c) => (c >= 0xe000 && c <= 0xf8ff) || c >= 0xf0000,
  },
  {
    name: 'line and paragraph separators',
    severity: 'medium',
    kind: 'hidden-character',
    has: (c) => c === 0x2028 || c === 0x2029,
  },
  // Fillers, invisible operators, shorthand controls, and what is not assigned: models take them for tokens all the same.
  { name: 'invisible characters', severity: 'medium', kind: 'hidden-character', has: () => true },
]

/** @returns a remark for each class of characters that a text has, with how many and the first in its surroundings */
export function hiddenCharacters(text: string): Remark[] {
  // Most texts have none.
  if (text.search(suspect) < 0) return []
  const found = new Map<HiddenClass, { count: number; index: number; length: number }>()
  const leftwards = rightToLeft.test(text)
  for (const { 0: character, index } of text.replace(tagFlags, blanks).matchAll(suspect)) {
    if (innocent(text, index, character, leftwards)) continue
    const codePoint = character.codePointAt(0)!
    const its = classes.find((each) => each.has(codePoint))!
    const known = found.get(its)
    if (known) known.count++
    else found.set(its, { count: 1, index, length: character.length })
  }
  return [...found].map(([{ name, severity, kind }, { count, index, length }]) => ({
    severity,
    kind,
    message: `It has ${name}: ${count}.`,
    excerpt: excerptOf(text, index, length, 40),
  }))
}

const blanks = (flag: string) => ' '.repeat(flag.length)

/**
 * Whether a character is where writing needs it.
 * @param leftwards whether the text has letters that are written from right to left
 */
function innocent(text: string, index: number, character: string, leftwards: boolean): boolean {
  const codePoint = character.codePointAt(0)!
  const before = previous(text, index)
  const after = next(text, index + character.length)
  // A mark at the very start of a text is an editor's.
  if (codePoint === 0xfeff) return index === 0
  if (codePoint === 0x200c || codePoint === 0x200d) {
    if (joining.test(before) && joining.test(after)) return true
    return (
      codePoint === 0x200d &&
      /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u{FE0F}/u.test(before) &&
      /\p{Extended_Pictographic}/u.test(after)
    )
  }
  if (codePoint === 0xfe0e || codePoint === 0xfe0f) return /[\p{Extended_Pictographic}\p{Emoji}]/u.test(before)
  if (codePoint >= 0xe0100 && codePoint <= 0xe01ef) return /\p{Script=Han}/u.test(before)
  if (codePoint >= 0x180b && codePoint <= 0x180f) return /\p{Script=Mongolian}/u.test(before)
  if (codePoint === 0x200e || codePoint === 0x200f || codePoint === 0x61c) return leftwards
  return false
}

function previous(text: string, index: number): string {
  if (index === 0) return ''
  const low = text.charCodeAt(index - 1)
  return low >= 0xdc00 && low <= 0xdfff && index > 1 ? text.slice(index - 2, index) : text[index - 1]!
}

function next(text: string, index: number): string {
  return index < text.length ? String.fromCodePoint(text.codePointAt(index)!) : ''
}

/** @returns remarks on text that a page or a terminal would not show */
export function hiddenText(text: string): Remark[] {
  const remarks: Remark[] = []
  const add = (match: RegExpExecArray | null, message: string) => {
    if (match)
      remarks.push({ severity: 'medium', kind: 'hidden-text', message, excerpt: excerptOf(text, match.index, 4) })
  }
  add(/<!--/.exec(text), 'It has a comment that no page shows.')
  add(/\S[ \t]{80}|\S(?:[ \t]{0,8}\n){12}/.exec(text), 'Blanks push a part of it out of sight.')
  return remarks
}
