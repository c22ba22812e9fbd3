import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { render } from '../src/cli/render.ts'
import { schema } from '../src/cli/schema.ts'
import { validate } from '../src/cli/validate.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'

const examples = readdirSync('examples').filter((file) => file.endsWith('.yaml'))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-examples-'))
let envoy: string

beforeAll(async () => {
  envoy = await findEnvoy(process.env, () => undefined)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** What an example says of itself in its second line. */
function sentenceOf(file: string): string {
  return readFileSync(join('examples', file), 'utf8').split('\n')[1]!.replace(/^# /, '')
}

test('docs/rules.md lists the examples, each with its own words', () => {
  const listed = readFileSync('docs/rules.md', 'utf8').match(/^\| \[[\w-]+\.yaml\].*$/gm) ?? []
  expect([...listed].sort()).toEqual(
    examples.map((file) => `| [${file}](../examples/${file}) | ${sentenceOf(file)} |`).sort(),
  )
})

/** As much of a JSON Schema as the rules make use of. */
interface Schema {
  const?: unknown
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
}

const alternativesOf = ({ anyOf = [], oneOf = [] }: Schema) => [...anyOf, ...oneOf]

/** The schema's kinds of a map's values are told apart by their `type`. */
function kindOf({ properties }: Schema): string {
  const type = properties?.type?.const
  return typeof type === 'string' ? `(${type})` : ''
}

/** Kinds inside of kinds are the same whatever is around them: a credential is one for servers of each kind. */
function pathOf(path: string, alternative: Schema): string {
  // A string is matched in the same ways wherever one is.
  if (alternative.properties?.exact && alternative.properties.regex) return '(matcher)'
  const kind = kindOf(alternative)
  return kind === '' ? path : `${path.replace(/\([^)]*\)/g, '')}${kind}`
}

/** Every key there is, with `*` for names and items. */
function* keysOf(schema: Schema, path = ''): Iterable<string> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    yield `${path}${key}`
    yield* keysOf(child, `${path}${key}.`)
  }
  if (typeof schema.additionalProperties === 'object') yield* keysOf(schema.additionalProperties, `${path}*.`)
  if (schema.items) yield* keysOf(schema.items, `${path}*.`)
  for (const alternative of alternativesOf(schema)) yield* keysOf(alternative, pathOf(path, alternative))
}

/** Every key that a document has, in the same spelling. */
function* keysIn(value: unknown, schema: Schema, path = ''): Iterable<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    const known = schema.properties?.[key]
    if (known) {
      yield `${path}${key}`
      yield* keysIn(child, known, `${path}${key}.`)
    }
    if (!known && typeof schema.additionalProperties === 'object')
      yield* keysIn(child, schema.additionalProperties, `${path}*.`)
    if (schema.items) yield* keysIn(child, schema.items, `${path}*.`)
  }
  for (const alternative of alternativesOf(schema)) {
    const type = alternative.properties?.type?.const
    if (type === undefined || type === (value as { type?: unknown }).type)
      yield* keysIn(value, alternative, pathOf(path, alternative))
  }
}

test('everything.yaml has every key', () => {
  const root = JSON.parse(schema()) as Schema
  const has = new Set(keysIn(parse(readFileSync('examples/everything.yaml', 'utf8')), root))
  const all = [...keysOf(root)]
  expect(all).toContain('providers.*.(bedrock)sessionToken')
  expect(all).toContain('guards.*.detect.*.label')
  // Instead of a directory for it.
  const otherwise = ['egress.authority.certificateFile', 'egress.authority.keyFile']
  expect(all.filter((key) => !has.has(key))).toEqual(otherwise)
})

test.each(examples)('%s says its schema and what it shows, and is valid', async (file) => {
  const [first, second] = readFileSync(join('examples', file), 'utf8').split('\n')
  expect(first).toBe('# yaml-language-server: $schema=../chaperone.schema.json')
  expect(existsSync(join('examples', '../chaperone.schema.json'))).toBe(true)
  expect(second).toMatch(/^# [A-Z].*\.$/)
  let written = ''
  expect(await validate([join('examples', file)], { output: 'text' }, (text) => (written += text))).toBe(0)
  expect(written).toBe(`${join('examples', file)}: ok\n`)
})

test.each(examples)('%s makes a configuration that Envoy takes', async (file) => {
  let written = ''
  const socket = join(directory, 'service.sock')
  expect(await render({ file: join('examples', file), socket }, (text) => (written += text))).toBe(0)
  const { cluster, listener, secret } = JSON.parse(written)
  const { static_resources, ...rest } = bootstrap({ nodeId: 'example', socket, adminSocket: `${socket}.admin` }) as {
    static_resources: { clusters: object[] }
  }
  // What ADS would bring, as far as it can stand in a file.
  const whole = {
    ...rest,
    static_resources: { clusters: [...static_resources.clusters, ...cluster], listeners: listener, secrets: secret },
  }
  const config = join(directory, `${file}.json`)
  writeFileSync(config, JSON.stringify(whole))
  execFileSync(envoy, ['--mode', 'validate', '--log-level', 'error', '-c', config], { stdio: 'pipe' })
})
