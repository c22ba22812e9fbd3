import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { formatDiagnostics } from '../src/config/format.ts'
import { loadRules } from '../src/config/load.ts'
import type { RulesInput } from '../src/config/schema.ts'
import { startGateway } from './gateway.ts'

const root = new URL('..', import.meta.url).pathname
const pages = ['README.md', 'ARCHITECTURE.md', ...readdirSync(join(root, 'docs')).map((page) => `docs/${page}`)].filter(
  (page) => page.endsWith('.md'),
)
const textOf = (page: string) => readFileSync(join(root, page), 'utf8')

/** The whole configurations of a page: they say which schema they follow. */
function configurations(page: string): string[] {
  return [...textOf(page).matchAll(/^```yaml\n(# yaml-language-server:.*?)^```$/gms)].map((match) => match[1]!)
}

test.each(pages)('%s: links lead somewhere', (page) => {
  for (const [, target] of textOf(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
    if (/^[a-z]+:/.test(target!)) continue
    const path = join(root, page, '..', target!)
    expect(() => readdirSync(join(path, '..')), `${page} → ${target}`).not.toThrow()
    expect(readdirSync(join(path, '..')), `${page} → ${target}`).toContain(path.replace(/\/$/, '').split('/').at(-1))
  }
})

test.each(pages.filter((page) => configurations(page).length > 0))('%s: its configurations are valid', (page) => {
  for (const text of configurations(page)) {
    const loaded = loadRules(text, page)
    expect('diagnostics' in loaded ? formatDiagnostics(loaded.diagnostics, text) : '').toBe('')
  }
})

test('docs/identity.md has every code, and no other', () => {
  const sources = readdirSync(join(root, 'src/identity')).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  )
  const codes = sources.flatMap((file) =>
    [...readFileSync(join(root, 'src/identity', file), 'utf8').matchAll(/(?:refuse|unavailable)\(\s*'([a-z_]+)'/g)].map(
      ([, code]) => code!,
    ),
  )
  const errors = textOf('docs/identity.md').split('## Errors')[1]!
  const documented = [...errors.matchAll(/`([a-z]+_[a-z_]+)`/g)].map(([, code]) => code!)
  expect(documented.sort()).toEqual([...new Set(codes)].sort())
})

test('docs/llm.md: its configuration serves every name it says', async () => {
  const [text] = configurations('docs/llm.md')
  const mock = new LLMock({ port: 0, logLevel: 'silent' })
  mock.onMessage('hello', { content: 'Hello.' })
  await mock.start()
  process.env.OPENAI_API_KEY = 'sk-docs'
  process.env.ANTHROPIC_API_KEY = 'sk-ant-docs'
  const rules = parse(text!) as RulesInput
  // The page's rules as they are, but for where the providers live.
  const { openai, anthropic } = rules.providers!
  Object.assign(openai!, { baseUrl: `${mock.url}/v1` })
  Object.assign(anthropic!, { baseUrl: mock.url })
  const gateway = await startGateway(rules)
  try {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 })
    for (const name of Object.keys(rules.models!)) {
      const model = name.replace('*', 'x')
      const { choices } = await client.chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'hello' }],
      })
      expect(choices[0]?.message.content, model).toBe('Hello.')
    }
  } finally {
    await gateway.stop()
    await mock.stop()
    delete process.env.OPENAI_API_KEY
    delete process.env.ANTHROPIC_API_KEY
  }
})
