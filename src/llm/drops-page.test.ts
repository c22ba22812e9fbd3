import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { providerDialects } from './dialects/index.ts'
import { embeddingDialects } from './embeddings/index.ts'

const page = readFileSync('docs/translation.md', 'utf8')
const titles: Record<keyof typeof providerDialects, string> = {
  chat: "By OpenAI's chat API",
  responses: "By OpenAI's Responses API",
  messages: "By Anthropic's Messages API",
  gemini: 'By Gemini',
  converse: "By Bedrock's Converse",
}

/** The part of the page that tells what is dropped, as the code has it. */
function dropsPart(): string {
  const chats = Object.entries(titles).map(([name, title]) => {
    const { drops } = providerDialects[name as keyof typeof providerDialects]
    const rows = Object.entries(drops).map(([field, reason]) => `| \`${field}\` | ${reason} |`)
    return [`### ${title}`, '', '| field | why |', '|---|---|', ...rows, ''].join('\n')
  })
  const embeddings = Object.entries(embeddingDialects).flatMap(([name, { drops }]) =>
    Object.entries(drops).map(([field, reason]) => `| ${name} | \`${field}\` | ${reason} |`),
  )
  return [
    ...chats,
    ['### By embedding APIs', '', '| API | field | why |', '|---|---|---|', ...embeddings, ''].join('\n'),
  ].join('\n')
}

test('docs/translation.md lists every drop, and no other', () => {
  expect(page.slice(page.indexOf('### By'))).toBe(dropsPart())
})

test.each(Object.entries(providerDialects))('%s drops nothing that it does not list', (name, { drops }) => {
  const folder = join('src/llm/dialects', name)
  const sources = readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  const dropped = sources.flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/\bdrop\('([^']+)'\)/g)].map(([, field]) => field!),
  )
  expect(dropped.length).toBeGreaterThan(0)
  expect(dropped.filter((field) => !Object.hasOwn(drops, field))).toEqual([])
})
