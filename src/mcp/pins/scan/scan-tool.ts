import type { Tool } from '../../protocol.ts'
import { asciiText } from '../safe-text.ts'
import { disguisedWord } from './confusables.ts'
import { bySeverity, type Finding, type Remark } from './finding.ts'
import { hiddenCharacters, hiddenText } from './hidden.ts'
import { curiousName, instructions } from './instructions.ts'
import { NameIndex, type ToolNames } from './others.ts'
import { encoded, iconSource, links, oversized } from './payloads.ts'
import { type PlacedText, textsOf } from './texts.ts'

/** More than this is told of no tool: it is plain then that something is wrong. */
const mostFindings = 50

/**
 * Looks through a tool's definition for what an operator should know before approving it. What it finds is advice: it holds nothing
 * back by itself.
 * @param server the server that has the tool, by its name in the rules
 * @param others the tools of all servers by the servers' names, this one among them or not
 * @returns findings, the worst first; at most 50
 */
export function scanTool(server: string, tool: Tool, others: ToolNames | NameIndex): Finding[] {
  const index = others instanceof NameIndex ? others : new NameIndex(others)
  const own = String(tool.name)
  const { texts, cut } = textsOf(tool)
  const findings: Finding[] = []
  for (const text of texts) {
    if (findings.length >= mostFindings) break
    for (const remark of remarksOn(text, server, own, index)) findings.push({ ...remark, where: text.where })
  }
  if (cut)
    findings.push({
      severity: 'high',
      kind: 'oversized',
      where: '$',
      message: 'It is too long or too deep to be looked through.',
      excerpt: '',
    })
  if (typeof tool.name === 'string')
    for (const remark of index.shadowed(server, tool.name)) findings.push({ ...remark, where: '$.name' })
  return findings.sort(bySeverity).slice(0, mostFindings)
}

function remarksOn({ text, role, where }: PlacedText, server: string, own: string, index: NameIndex): Remark[] {
  const remarks = [...hiddenCharacters(text), ...disguised(text)]
  switch (role) {
    case 'key':
      // Members of the protocol and of JSON Schema have no name of their own choosing; parameters do.
      return /\.properties[.[]/.test(where) ? [...remarks, ...instructions(text), ...curiousName(text)] : remarks
    case 'machine':
      return [...remarks, ...instructions(text)]
    case 'icon':
      return [...remarks, ...iconSource(text)]
    case 'prose': {
      const names = where === '$.name' ? [] : index.foreign(server, own, text)
      return [
        ...remarks,
        ...hiddenText(text),
        ...instructions(text),
        ...names,
        ...oversized(text),
        ...links(text),
        ...encoded(text),
      ]
    }
  }
}

function disguised(text: string): Remark[] {
  const found = disguisedWord(text)
  if (!found) return []
  const excerpt = asciiText(found.word.slice(0, 60))
  return [
    {
      severity: 'high',
      kind: 'disguised-letters',
      message: 'A word mixes Latin letters with letters that only look like them.',
      excerpt,
    },
  ]
}
