import { asciiText, excerptOf } from '../safe-text.ts'
import { plainText } from './confusables.ts'
import type { Remark } from './finding.ts'

/** What a definition has to do with the tools of other servers. */

/** Names of tools, by the server that has them. */
export type ToolNames = ReadonlyMap<string, Iterable<string>>

interface Owner {
  readonly server: string
  readonly name: string
}

/** The tools of all servers, found by name and by what looks like it. One for many checks: making it costs as much as it holds. */
export class NameIndex {
  readonly #exact = new Map<string, Owner[]>()
  readonly #alike = new Map<string, Owner[]>()
  readonly #looks = new Map<string, Owner[]>()
  readonly #servers: readonly string[]

  constructor(tools: ToolNames) {
    this.#servers = [...tools.keys()]
    for (const [server, names] of tools)
      for (const name of names) {
        const owner = { server, name }
        push(this.#exact, name, owner)
        push(this.#alike, withoutSpelling(name), owner)
        push(this.#looks, look(name), owner)
      }
  }

  /** @returns at most one remark: on the likeness that deceives the most */
  shadowed(server: string, name: string): Remark[] {
    const other = (owners: readonly Owner[] | undefined) =>
      owners?.find((owner) => owner.server !== server && owner.name !== name)
    const disguised = other(this.#looks.get(look(name)))
    const spelled = other(this.#alike.get(withoutSpelling(name)))
    if (disguised && !spelled)
      return [
        shadow('high', `It looks like the tool ${quoted(disguised.name)} of the server ${disguised.server}.`, name),
      ]
    const same = this.#exact.get(name)?.find((owner) => owner.server !== server)
    if (same) return [shadow('low', `The server ${same.server} has a tool of the same name.`, name)]
    if (spelled)
      return [
        shadow(
          'medium',
          `The server ${spelled.server} has the tool ${quoted(spelled.name)}, which is spelled alike.`,
          name,
        ),
      ]
    return []
  }

  /**
   * @param own the tool’s own name: to speak of that, or of another tool of its server, is no offence
   * @returns a remark on the first tool or server of others that a text speaks of
   */
  foreign(server: string, own: string, text: string): Remark[] {
    const plain = plainText(text)
    for (const { 0: word, index } of plain.matchAll(/[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?/g)) {
      const owners = this.#exact.get(word)
      if (!owners || word === own || owners.some((each) => each.server === server)) continue
      const owner = owners[0]!
      // `search` is a word before it is a tool: plain words count where they are called a tool, or are quoted.
      if (!distinctive(word) && !calledTool(plain, index, word.length)) continue
      return [
        {
          severity: 'medium',
          kind: 'foreign-tool',
          message: `It speaks of the tool ${quoted(owner.name)} of the server ${owner.server}.`,
          excerpt: excerptOf(plain, index, word.length),
        },
      ]
    }
    const lower = plain.toLowerCase()
    for (const name of this.#servers) {
      if (name === server) continue
      const index = serverMention(lower, name)
      if (index < 0) continue
      return [
        {
          severity: 'medium',
          kind: 'foreign-tool',
          message: `It speaks of the server ${name}.`,
          excerpt: excerptOf(plain, index, name.length),
        },
      ]
    }
    return []
  }
}

function shadow(severity: Remark['severity'], message: string, name: string): Remark {
  return { severity, kind: 'shadowed-name', message, excerpt: asciiText(name.slice(0, 80)) }
}

/** `readFile`, `read-file` and `READ_FILE` are one. */
function withoutSpelling(name: string): string {
  return name.replace(/[\s._/-]/g, '').toLowerCase()
}

/** What an eye sees of a name: letters as Latin ones, and those digits that pass for letters. */
function look(name: string): string {
  return withoutSpelling(plainText(name))
    .replace(/[1|]/g, 'l')
    .replace(/i/g, 'l')
    .replace(/0/g, 'o')
    .replace(/5/g, 's')
    .replace(/rn/g, 'm')
    .replace(/vv/g, 'w')
}

/** Whether a word is a name rather than a word: it has a separator, a digit or a hump within. */
function distinctive(word: string): boolean {
  return word.length >= 5 && /[a-zA-Z][_.-]|[a-z][A-Z]|[a-zA-Z]\d/.test(word)
}

function calledTool(text: string, index: number, length: number): boolean {
  const before = text.slice(Math.max(0, index - 8), index)
  const after = text.slice(index + length, index + length + 12)
  return /["'`]$/.test(before) && /^["'`]/.test(after)
    ? true
    : /^["'`]?\s(?:tool|function)\b/.test(after) || /\btool ["'`]?$/.test(before)
}

/** Where a text speaks of a server by its name, as of a server: `the github server`, `github MCP`, `github's tools`. */
function serverMention(lower: string, name: string): number {
  const wanted = name.toLowerCase()
  for (let index = lower.indexOf(wanted); index >= 0; index = lower.indexOf(wanted, index + wanted.length)) {
    const before = lower[index - 1] ?? ' '
    const after = lower.slice(index + wanted.length, index + wanted.length + 16)
    if (/[\s"'`(]/.test(before) && /^["'`]?(?:['’]s)? (?:mcp\b|server\b|tools?\b)/.test(after)) return index
  }
  return -1
}

const quoted = (name: string) => `“${asciiText(name.slice(0, 80))}”`

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key)
  if (known) known.push(value)
  else map.set(key, [value])
}
