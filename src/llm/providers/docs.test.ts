import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { rulesSchema } from '../../config/schema.ts'
import { createProvider } from './index.ts'
import { secretsOf } from './testing.ts'

const page = readFileSync(new URL('../../../docs/providers.md', import.meta.url), 'utf8')
const snippets = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1]!)
const parsed = snippets.map((snippet) => rulesSchema.safeParse(parse(snippet)))

describe('docs/providers.md', () => {
  test.each(snippets.map((snippet, index) => [index + 1, snippet] as const))('snippet %i is valid', (index) => {
    const rules = parsed[index - 1]!
    expect(rules.error).toBeUndefined()
    for (const [name, rule] of Object.entries(rules.data!.providers))
      expect(createProvider(name, rule, secretsOf({})).type).toBe(rule.type)
    for (const model of Object.values(rules.data!.models))
      for (const target of model.targets) expect(Object.keys(rules.data!.providers)).toContain(target.provider)
  })

  test('every type has a snippet and a heading', () => {
    const shown = new Set(
      parsed.flatMap((rules) => Object.values(rules.data?.providers ?? {}).map((rule) => rule.type)),
    )
    const headings = [...page.matchAll(/^## (\S+)$/gm)].map((match) => match[1])
    const types = ['openai', 'azure-openai', 'anthropic', 'gemini', 'vertex', 'bedrock', 'openai-compatible']
    expect([...shown].sort()).toEqual([...types].sort())
    expect(headings).toEqual(expect.arrayContaining(types))
  })
})
