import { asciiText } from '../safe-text.ts'

/** A text in a tool's definition. */
export interface PlacedText {
  /** JSON path, printable ASCII. */
  readonly where: string
  readonly text: string
  /**
   * `prose` may say anything to anyone; a `key` is a member's name; `machine` is for programs: schema URIs, patterns, formats;
   * `icon` is an icon's source.
   */
  readonly role: 'prose' | 'key' | 'machine' | 'icon'
}

/** Bounds of what is looked at. A definition beyond them is not pinned in the first place. */
const mostCharacters = 256 * 1024
const mostTexts = 20_000
const mostLevels = 64
/** Of a path, in characters; what is deeper is said to be deeper. */
const longestPath = 300

/** Members of JSON Schema whose strings are for validators. */
const machineKeys = new Set(['$schema', '$id', '$ref', '$anchor', '$dynamicRef', 'pattern', 'format', 'type'])

/**
 * Collects all texts of a definition, the names of its members among them.
 * @returns the texts, in their order, and whether bounds ended the walk before its time
 */
export function textsOf(tool: object): { readonly texts: readonly PlacedText[]; readonly cut: boolean } {
  const texts: PlacedText[] = []
  let characters = 0
  let cut = false
  const add = (text: PlacedText) => {
    characters += text.text.length
    if (characters > mostCharacters || texts.length >= mostTexts) cut = true
    else texts.push(text)
  }
  const walk = (value: unknown, where: string, role: PlacedText['role'], levels: number): void => {
    if (cut) return
    if (typeof value === 'string') add({ where, text: value, role })
    if (typeof value !== 'object' || value === null) return
    if (levels === 0) {
      cut = true
      return
    }
    if (Array.isArray(value)) {
      value.forEach((item, i) => void walk(item, placed(where, `[${i}]`), role, levels - 1))
      return
    }
    for (const [key, item] of Object.entries(value)) {
      const at = placed(where, member(key))
      add({ where: at, text: key, role: 'key' })
      const icon = key === 'src' && /^\$\.icons\[\d+\]$/.test(where)
      walk(item, at, icon ? 'icon' : roleOf(key, item), levels - 1)
    }
  }
  walk(tool, '$', 'prose', mostLevels)
  return { texts, cut }
}

/** A property may be called `pattern` or `type`: then what it holds is a schema, and no text for validators. */
function roleOf(key: string, value: unknown): PlacedText['role'] {
  return machineKeys.has(key) && typeof value === 'string' ? 'machine' : 'prose'
}

function placed(where: string, name: string): string {
  if (where.endsWith(' …')) return where
  return where.length + name.length > longestPath ? `${where} …` : `${where}${name}`
}

function member(key: string): string {
  return /^[A-Za-z_$][\w$]{0,63}$/.test(key) ? `.${key}` : `[${asciiText(JSON.stringify(key.slice(0, 64)))}]`
}
