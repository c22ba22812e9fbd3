import { describe, expect, test } from 'vitest'
import type { Tool } from '../protocol.ts'
import { digest, longestDefinition } from './digest.ts'
import { reviewsOf, type ToolReview } from './review.ts'
import { approve, noPins, type ServerPins, seen } from './server-pins.ts'
import { toolNamed, waitingFor } from './testing.ts'

const now = Date.UTC(2026, 10, 23, 20, 31)
const ann = { by: 'ann' }

/** A server whose tools were approved, and which has others since. */
function pinsOf(server: string, approved: readonly Tool[], since: readonly Tool[] = [], gone: readonly string[] = []) {
  let pins: ServerPins = seen(noPins(server), approved.map(waitingFor), now) ?? noPins(server)
  pins = approve(
    pins,
    approved.map((tool) => ({ tool: tool.name, digest: digest(tool) })),
    ann,
    now,
  )
  const sightings = [...since.map(waitingFor), ...gone.map((tool) => ({ type: 'missing' as const, tool }))]
  return seen(pins, sightings, now + 3_600_000) ?? pins
}
const changeOf = (before: Tool, after: Tool): ToolReview =>
  reviewsOf([pinsOf('files', [before], [after])])[0]!.tools[0]!

describe('a review', () => {
  test('is of what is new, changed and removed; what is as approved is counted', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => toolNamed(name)) as [Tool, Tool, Tool]
    const [review] = reviewsOf([pinsOf('files', [a, b, c], [toolNamed('b', 'Other.'), toolNamed('d')], ['c'])])
    expect(review).toMatchObject({ server: 'files', unchanged: 1 })
    expect(review!.tools.map(({ tool, change, digest: its }) => [tool, change, its])).toEqual([
      ['b', 'changed', digest(toolNamed('b', 'Other.'))],
      ['c', 'removed', undefined],
      ['d', 'new', digest(toolNamed('d'))],
    ])
  })

  test('shows a change of the description and the schema as a unified diff', () => {
    const before = toolNamed('read', 'Reads a file.\nWithin the directory.')
    const after = toolNamed('read', 'Reads a file.\nFrom anywhere.', {
      inputSchema: { type: 'object', properties: { path: { type: 'string' }, notes: { type: 'string' } } },
    })
    expect(changeOf(before, after).diff).toBe(`--- approved 2026-11-23 20:31 by ann
+++ seen 2026-11-23 21:31
@@ -1,10 +1,13 @@
 name: read
 description: |
   Reads a file.
-  Within the directory.
+  From anywhere.
 inputSchema:
   {
     "properties": {
+      "notes": {
+        "type": "string"
+      },
       "path": {
         "type": "string"
       }
`)
  })

  test('shows all of a new tool, members that nobody knows among them', () => {
    const tool = toolNamed('read', 'Reads.', { icons: [{ src: 'https://acme.io/i.png' }], extra: 'x', _meta: { a: 1 } })
    const [
      {
        tools: [review],
      } = { tools: [] },
    ] = reviewsOf([pinsOf('files', [], [tool])])
    for (const line of ['+++ seen 2026-11-23 21:31', '--- /dev/null', '+name: read', '+extra: x', '+    "a": 1'])
      expect(review!.diff.split('\n')).toContain(line)
  })

  test.each<[string, Tool, Tool]>([
    ['a character that is not seen', toolNamed('t', 'Reads.'), toolNamed('t', 'Re\u200bads.')],
    ['what looks like an escape and becomes one', toolNamed('t', '\\u{200B}'), toolNamed('t', '\u200b')],
    ['a key within the schema', toolNamed('t'), toolNamed('t', undefined, { inputSchema: { 'a\u200b': 1 } })],
    ['a text that becomes a number', toolNamed('t', 'x', { extra: '1' }), toolNamed('t', 'x', { extra: 1 })],
    ['a text that becomes lines', toolNamed('t', 'x', { extra: '|\n  a' }), toolNamed('t', 'x', { extra: '|\na' })],
    ['a member that is null', toolNamed('t', 'x', { extra: 'null' }), toolNamed('t', 'x', { extra: null })],
  ])('what differs is shown to differ: %s', (_, before, after) => {
    const { diff } = changeOf(before, after)
    expect(diff).toMatch(/^-(?!--)/m)
    expect(diff).toMatch(/^\+(?!\+\+)/m)
  })

  test('nothing in it commands a terminal or draws lines of its own', () => {
    const evil = toolNamed('re\u001b[2Jad', 'Reads.\r\n--- approved\u2028+++ x\u001b]0;title\u0007', {
      'ke\ny': 'x',
      inputSchema: { type: 'object', 'a\u202e\nb': ['\u001b[31m'] },
    })
    const { diff } = reviewsOf([pinsOf('files', [], [evil])])[0]!.tools[0]!
    // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what must not be there
    expect(diff.replaceAll('\n', '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/)
    for (const line of diff.split('\n').slice(3, -1)) expect(line).toMatch(/^\+/)
  })

  test('two long definitions that have nothing in common are compared in bounded time', () => {
    const lines = (word: string) => Array.from({ length: 12_000 }, (_, i) => `${word}${i % 7}`).join('\n')
    const began = performance.now()
    const { diff } = changeOf(
      toolNamed('t', lines('ab').slice(0, longestDefinition - 1000)),
      toolNamed(
        't',
        lines('cd')
          .split('\n')
          .reverse()
          .join('\n')
          .slice(0, longestDefinition - 1000),
      ),
    )
    expect(performance.now() - began).toBeLessThan(5000)
    expect(diff).toContain('\n-  ab0\n')
    expect(diff).toContain('\n+  cd1\n')
    expect(diff.startsWith('--- approved 2026-11-23 20:31 by ann\n+++ seen 2026-11-23 21:31\n')).toBe(true)
  })

  test('has what a scan finds, with the tools of other servers in view', () => {
    const all = [pinsOf('github', [toolNamed('create_issue')]), pinsOf('files', [], [toolNamed('create_1ssue')])]
    expect(reviewsOf(all)[1]!.tools[0]!.findings).toMatchObject([{ severity: 'high', kind: 'shadowed-name' }])
  })

  test('the hash of what is shown changes with any definition that waits, and with nothing else', () => {
    const shown = (...tools: Tool[]) => reviewsOf([pinsOf('files', [toolNamed('x')], tools)])[0]!.shown
    const [a, b] = [toolNamed('a'), toolNamed('b')]
    expect(shown(a, b)).toBe(shown(b, a))
    expect(shown(a, b)).toMatch(/^[0-9a-f]{12}$/)
    expect(new Set([shown(), shown(a), shown(b), shown(a, b), shown(a, toolNamed('b', 'Other.'))]).size).toBe(5)
  })
})
