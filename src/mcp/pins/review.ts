import { createHash } from 'node:crypto'
import { createTwoFilesPatch } from 'diff'
import { canonicalJson } from './canonical.ts'
import { safeText } from './safe-text.ts'
import type { Finding } from './scan/finding.ts'
import { NameIndex } from './scan/others.ts'
import { scanTool } from './scan/scan-tool.ts'
import type { Pin, ServerPins, Waiting } from './server-pins.ts'

/** What an operator is shown before approving: what differs from what was approved, and what is odd about it. */

/** A tool that is not as it was approved. */
export interface ToolReview {
  /** As the server spells it. */
  readonly tool: string
  /** `removed`: approved, and no more in the server's lists. It waits for nobody. */
  readonly change: 'new' | 'changed' | 'removed'
  /** What would be approved; undefined: removed, or it cannot be pinned. */
  readonly digest?: string | undefined
  readonly waiting?: Waiting | undefined
  readonly approved?: Pin | undefined
  /** The worst first. */
  readonly findings: readonly Finding[]
  /** A unified diff of the definitions, safe on a terminal; empty where there is nothing to compare. */
  readonly diff: string
}

/** What of one server differs from what was approved. */
export interface ServerReview {
  readonly server: string
  /** How many approved tools are as they were approved. */
  readonly unchanged: number
  /** By name. */
  readonly tools: readonly ToolReview[]
  /** Stands for exactly the definitions that wait: an approval that names it approves nothing else. */
  readonly shown: string
}

/** How long two definitions, and all of them, may take to compare, in milliseconds. */
const compareMs = 500
const compareAllMs = 10_000

/** @param all what is known of every server: names of tools of one may shadow those of another */
export function reviewsOf(all: readonly ServerPins[]): ServerReview[] {
  const index = new NameIndex(new Map(all.map((pins) => [pins.server, namesOf(pins)])))
  const untilMs = performance.now() + compareAllMs
  return all.map((pins) => reviewOf(pins, index, untilMs))
}

/** Whether it is held back until somebody approves it. */
export function waits({ change }: ToolReview): boolean {
  return change !== 'removed'
}

function reviewOf(pins: ServerPins, index: NameIndex, untilMs: number): ServerReview {
  const { server, approved, waiting } = pins
  const tools: ToolReview[] = []
  for (const each of waiting.values()) {
    const pin = approved.get(each.tool)
    const { definition, digest } = each
    tools.push({
      tool: each.tool,
      change: pin ? 'changed' : 'new',
      ...(definition && { digest }),
      waiting: each,
      approved: pin,
      findings: definition ? scanTool(server, definition, index) : [unpinnable],
      diff: definition ? diffOf(pin, each, untilMs) : '',
    })
  }
  for (const pin of approved.values())
    if (pin.missingSince !== undefined && !waiting.has(pin.tool))
      tools.push({
        tool: pin.tool,
        change: 'removed',
        approved: pin,
        findings: [],
        diff: diffOf(pin, undefined, untilMs),
      })
  tools.sort((a, b) => (a.tool < b.tool ? -1 : 1))
  const departed = tools.filter((review) => review.approved).length
  return { server, unchanged: approved.size - departed, tools, shown: shownOf(waiting.values()) }
}

const unpinnable: Finding = {
  severity: 'high',
  kind: 'oversized',
  where: '$',
  message: 'Its definition is too long or too deep to be pinned. It can be held back, and never approved.',
  excerpt: '',
}

function namesOf({ approved, waiting }: ServerPins): string[] {
  const present = [...approved.values()].filter(({ missingSince }) => missingSince === undefined)
  return [...new Set([...present, ...waiting.values()].map(({ tool }) => tool))]
}

/** 12 hexadecimal digits. */
function shownOf(waiting: Iterable<Waiting>): string {
  const lines = Array.from(waiting, ({ tool, digest }) => JSON.stringify([tool, digest])).sort()
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12)
}

function diffOf(pin: Pin | undefined, waiting: Waiting | undefined, untilMs: number): string {
  const before = pin ? readable(pin.definition) : ''
  const after = waiting?.definition ? readable(waiting.definition) : ''
  const from = pin ? `approved ${minute(pin.approvedAt)} by ${safeText(pin.approvedBy)}` : '/dev/null'
  const to = waiting ? `seen ${minute(waiting.firstSeenAt)}` : '/dev/null'
  const timeout = Math.min(compareMs, untilMs - performance.now())
  const patch =
    timeout > 0
      ? createTwoFilesPatch(from, to, before, after, undefined, undefined, { context: 3, timeout })
      : undefined
  return (patch ?? replaced(from, to, before, after)).replace(/^=+\n/, '')
}

/** Where two texts are so different that comparing them takes long: all of the one, all of the other. */
function replaced(from: string, to: string, before: string, after: string): string {
  const lines = (text: string, mark: string) => text.replace(/^/gm, mark).slice(0, -mark.length)
  return `--- ${from}\n+++ ${to}\n${lines(before, '-')}${lines(after, '+')}`
}

/** Members that are shown first, and as text where they are text. */
const first = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations']

/** A definition as lines for people: texts as they are, all else as JSON with sorted keys. Nothing is left out. */
function readable(definition: Waiting['definition'] & object): string {
  const known = first.filter((key) => key in definition)
  const others = Object.keys(definition)
    .filter((key) => !first.includes(key))
    .sort()
  return [...known, ...others].map((key) => member(key, definition[key])).join('')
}

function member(key: string, value: unknown): string {
  const name = safeText(key)
  if (typeof value !== 'string')
    return `${name}:\n${indented(JSON.stringify(JSON.parse(canonicalJson(value)), null, 2))}`
  return value.includes('\n') ? `${name}: |\n${indented(value)}` : `${name}: ${safeText(value)}\n`
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${safeText(line)}\n`)
    .join('')
}

/** `2026-11-23 20:31`, UTC. */
export function minute(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
}
