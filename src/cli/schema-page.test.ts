import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { schema } from './schema.ts'
import { schemaPage } from './schema-page.ts'

test('docs/rules.md has every key of the rules as the schema has it', () => {
  const page = readFileSync('docs/rules.md', 'utf8')
  expect(page.slice(page.indexOf('## listeners'))).toBe(schemaPage())
})

test('chaperone.schema.json is the schema', () => {
  expect(readFileSync('chaperone.schema.json', 'utf8')).toBe(schema())
})

test('alternatives, maps, lists and required keys are told apart', () => {
  const page = schemaPage()
  expect(page).toContain('### type: bedrock')
  expect(page).toContain('| `NAME.targets[].provider` | text | required | The name of one of `providers`. |')
  expect(page).toContain('| `NAME.atEnd` | `deny` or object | `"deny"` |')
  expect(page).toContain('| `NAME.maxRequestBytes` | whole number, 1024 to 268435456 | `33554432` |')
})
