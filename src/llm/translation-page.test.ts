import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Conversation, Part } from './conversation.ts'
import { providerDialects } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { standardQuirks } from './providers/quirks.ts'

/** The table of features in docs/translation.md says what the writers do. */

const user = (...parts: Part[]): Partial<Conversation> => ({ turns: [{ role: 'user', parts }] })
const hello: Part = { type: 'text', text: 'Hello' }
const png = 'iVBORw0KGgo='
const tools = [{ name: 'f', parameters: { type: 'object', properties: {} } }]

/** By the first cell of a row: requests that hold the feature, and the field that is dropped where it is. */
const features: Record<string, { requests: Partial<Conversation>[]; field?: string }> = {
  'system and developer prompts': {
    requests: (['system', 'developer'] as const).map((role) => ({
      turns: [
        { role, parts: [hello] },
        { role: 'user', parts: [hello] },
      ],
    })),
  },
  'tools, several turns, parallel calls': {
    requests: [
      {
        tools,
        turns: [
          { role: 'user', parts: [hello] },
          {
            role: 'assistant',
            parts: [
              { type: 'tool_call', id: 'a', name: 'f', arguments: '{}' },
              { type: 'tool_call', id: 'b', name: 'f', arguments: '{}' },
            ],
          },
          {
            role: 'user',
            parts: [
              { type: 'tool_result', id: 'a', content: [{ type: 'text', text: '1' }] },
              { type: 'tool_result', id: 'b', content: [{ type: 'text', text: '2' }] },
            ],
          },
        ],
      },
    ],
  },
  '`tool_choice`: auto, none, required, one, some': {
    requests: [
      { tools, toolChoice: { type: 'auto' } },
      { tools, toolChoice: { type: 'none' } },
      { tools, toolChoice: { type: 'required' } },
      { tools, toolChoice: { type: 'tool', name: 'f' } },
      { tools, toolChoice: { type: 'allowed', mode: 'auto', names: ['f'] } },
    ],
  },
  'images inline': {
    requests: [user({ type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: png } })],
  },
  'images by URL': { requests: [user({ type: 'image', media: { kind: 'url', url: 'https://x.example/a.png' } })] },
  'PDFs and texts inline': {
    requests: [
      user({
        type: 'document',
        media: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBERi0=' },
        name: 'a.pdf',
      }),
      user({ type: 'document', media: { kind: 'text', text: 'words' } }, hello),
    ],
    field: 'document',
  },
  'documents by URL': {
    requests: [
      user({
        type: 'document',
        media: { kind: 'url', url: 'https://x.example/a.pdf', mediaType: 'application/pdf' },
      }),
    ],
  },
  'sound inline': { requests: [user({ type: 'audio', format: 'wav', data: 'UklGRg==' })] },
  'structured output (JSON Schema)': {
    requests: [
      {
        output: {
          type: 'json_schema',
          name: 'n',
          schema: {
            type: 'object',
            properties: { a: { type: 'string' } },
            required: ['a'],
            additionalProperties: false,
          },
        },
      },
    ],
  },
  '`stop`': { requests: [{ stop: ['END'] }] },
  '`n` above 1': { requests: [{ n: 2 }] },
  '`logprobs`': { requests: [{ logprobs: true, topLogprobs: 2 }] },
  '`seed`': { requests: [{ seed: 1 }], field: 'seed' },
  '`temperature`, `top_p`': { requests: [{ temperature: 0.5 }, { topP: 0.9 }] },
  '`top_k`': { requests: [{ topK: 10 }] },
  penalties: { requests: [{ presencePenalty: 0.5 }, { frequencyPenalty: 0.5 }] },
  '`logit_bias`': { requests: [{ logitBias: { 50256: -100 } }] },
  'reasoning effort': { requests: [{ reasoning: { effort: 'high' } }] },
  'thinking budget (tokens)': { requests: [{ reasoning: { budget: 2000 }, maxTokens: 4000 }] },
  'cache markers': { requests: [user({ type: 'text', text: 'long', cache: { ttl: '5m' } })], field: 'cache' },
  'hosted tools (web search, code, files, computer)': { requests: [{ extra: { web_search_options: {} } }] },
  '`verbosity`': { requests: [{ verbosity: 'low' }], field: 'verbosity' },
  'end user’s id': { requests: [{ user: 'u-1' }], field: 'user' },
}

const models = {
  chat: 'gpt-5',
  responses: 'gpt-5',
  messages: 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-pro',
  converse: 'anthropic.claude-sonnet-4-5-20250929-v1:0',
}

/** Sampling is for models that do not think. */
const plain = { ...models, chat: 'gpt-4o', responses: 'gpt-4o' }

function outcome(target: keyof typeof models, given: Partial<Conversation>, field: string | undefined): string {
  const drops: string[] = []
  const conversation: Conversation = { ...user(hello), tools: [], extra: {}, stream: false, ...given } as Conversation
  try {
    providerDialects[target].writeRequest(conversation, {
      model: (given.reasoning ? models : plain)[target],
      quirks: standardQuirks,
      drop: (name) => drops.push(name),
      refuse(name, why) {
        throw new ApiError(400, 'invalid_request_error', why, { code: 'unsupported_field', param: name })
      },
    })
  } catch (error) {
    if (error instanceof ApiError) return 'refused'
    throw error
  }
  return field !== undefined && drops.includes(field) ? 'dropped' : 'carried'
}

const page = readFileSync('docs/translation.md', 'utf8')
const table = page.slice(page.indexOf('| | chat |'), page.indexOf('\n\n', page.indexOf('| | chat |')))
const [header, , ...rows] = table
  .split('\n')
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| ?| ?\|$/g, '').trim()))
const targets = header!.slice(1) as (keyof typeof models)[]
const streamed = 'arguments of calls, streamed'

test('the table has the features that are shown here', () => {
  expect(rows.map(([feature]) => feature).filter((feature) => feature !== streamed)).toEqual(Object.keys(features))
  expect(targets).toEqual(Object.keys(models))
})

describe.each(rows.filter(([feature]) => feature !== streamed))('%s', (feature, ...cells) => {
  test.each(targets.map((target, index) => [target, cells[index]!] as const))('%s: %s', (target, cell) => {
    const { requests, field } = features[feature!]!
    for (const request of requests) expect(outcome(target, request, field)).toBe(/^\w+/.exec(cell)![0])
  })
})
