import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { durationMs, rulesSchema } from './schema.ts'

interface Node {
  type?: string
  description?: string
  properties?: Record<string, Node>
  required?: string[]
  additionalProperties?: Node | boolean
  items?: Node
  anyOf?: Node[]
  oneOf?: Node[]
}

const root = z.toJSONSchema(rulesSchema, { io: 'input', reused: 'inline' }) as Node

/** Every key of the schema with its path. */
function* keys(node: Node, path = ''): Iterable<[string, Node]> {
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    yield [`${path}${key}`, child]
    yield* keys(child, `${path}${key}.`)
  }
  if (typeof node.additionalProperties === 'object') yield* keys(node.additionalProperties, `${path}NAME.`)
  if (node.items) yield* keys(node.items, `${path}[].`)
  for (const alternative of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) yield* keys(alternative, path)
}

test('every key says what it means', () => {
  const silent = [...keys(root)].filter(([, { description }]) => !description).map(([path]) => path)
  expect(silent).toEqual([])
})

test('no mapping takes keys that it does not know', () => {
  const open = [...keys(root)].filter(
    ([, { properties, additionalProperties }]) => properties && additionalProperties !== false,
  )
  expect(open.map(([path]) => path)).toEqual([])
})

test('every default is one that may be written', () => {
  const rules = rulesSchema.parse({
    providers: { p: { type: 'openai', apiKey: '${env:K}' } },
    models: { m: { targets: [{ provider: 'p' }] } },
    limits: { l: { requests: 1 } },
    budgets: { b: { usd: 1 } },
    guards: { g: { action: 'deny', detect: ['email'] } },
  })
  expect(rulesSchema.parse(rules)).toEqual(rules)
})

test('defaults are not shared: what one gateway changes is not another’s', () => {
  const input = { providers: {}, models: {} }
  const first = rulesSchema.parse(input)
  first.listeners.default!.port = 1
  first.aliases.a = 'b'
  first.identities.pod.team = 'x'
  expect(rulesSchema.parse(input)).toMatchObject({ listeners: { default: { port: 10000 } }, aliases: {} })
  expect(rulesSchema.parse(input).identities.pod).toEqual({})
})

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['10m', 600_000],
    ['1h', 3_600_000],
  ])('%s', (text, ms) => expect(durationMs(text)).toBe(ms))

  test.each(['', '5', '5d', '-1s', '1 s', '.5s', '1.s', '1e3s', '1h30m', 's'])('%j is none', (text) => {
    expect(() => durationMs(text)).toThrow(RangeError)
  })
})

describe('names and references', () => {
  const accepts = (change: object) => rulesSchema.safeParse({ providers: {}, models: {}, ...change }).success
  const named = (name: string) => accepts({ limits: { [name]: { requests: 1 } } })
  const model = (name: string) => accepts({ models: { [name]: { targets: [{ provider: 'p' }] } } })
  const key = (apiKey: string) => accepts({ providers: { p: { type: 'gemini', apiKey } } })

  test.each(['a', 'A1', 'a.b-c_d', 'x'.repeat(63), '1'])('%.20s is a name', (name) => expect(named(name)).toBe(true))
  test.each(['', '-a', 'a-', '_a', 'a b', 'a/b', 'é', 'a\n', 'x'.repeat(64)])('%j is none', (name) => {
    expect(named(name)).toBe(false)
  })

  test.each(['*', 'gpt-4o', 'gpt-*', 'Qwen/Qwen3-32B', 'llama3.2:3b', 'x'.repeat(200)])('%.20s is a model', (name) => {
    expect(model(name)).toBe(true)
  })
  test.each(['', '**', '*a', 'a*b', 'a b', 'a\n', 'x'.repeat(201)])('%j is none', (name) => {
    expect(model(name)).toBe(false)
  })

  test.each(['${env:A}', '${env:_a1}', '${file:/run/secrets/a b}', '${file:relative}'])('%s is a reference', (text) => {
    expect(key(text)).toBe(true)
  })
  test.each([
    '',
    '$A',
    '${A}',
    '${env:}',
    '${env:1}',
    '${env:A-B}',
    '${file:}',
    'x${env:A}',
    '${env:A}x',
    '${env:A}\n',
  ])('%j is none', (text) => expect(key(text)).toBe(false))
})

test('the JSON Schema that editors use is of this schema', () => {
  const file = JSON.parse(readFileSync('chaperone.schema.json', 'utf8')) as Node
  expect(Object.keys(file.properties ?? {})).toEqual(Object.keys(root.properties ?? {}))
})
