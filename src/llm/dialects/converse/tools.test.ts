import { describe, expect, test } from 'vitest'
import type { Conversation, ToolChoice, ToolResultPart, Turn } from '../../conversation.ts'
import { context, conversation, errorOf, models } from './testing.ts'
import { writeTools } from './tools.ts'

const schema = { type: 'object', properties: { city: { type: 'string' } } }
const weather = { name: 'weather', description: 'The weather.', parameters: schema, strict: true }
const now = { name: 'now' }
const tools = [weather, now]
const weatherSpec = {
  toolSpec: { name: 'weather', description: 'The weather.', inputSchema: { json: schema }, strict: true },
}
const nowSpec = { toolSpec: { name: 'now', inputSchema: { json: { type: 'object', properties: {} } } } }
const specs = [weatherSpec, nowSpec]

/** A conversation in which the weather was asked for. */
const turns: Turn[] = [
  { role: 'user', parts: [{ type: 'text', text: 'Rain?' }] },
  { role: 'assistant', parts: [{ type: 'tool_call', id: 'a', name: 'weather', arguments: '{}' }] },
  { role: 'user', parts: [{ type: 'tool_result', id: 'a', content: [{ type: 'text', text: 'Yes.' }] }] },
]

const write = (fields: Partial<Conversation>, model?: string) => writeTools(conversation(fields), context(model))
const refusal = (fields: Partial<Conversation>, model?: string) => errorOf(() => write(fields, model))

describe('tools', () => {
  test('none', () => {
    expect(write({})).toEqual({})
  })

  test('with and without a description, parameters and strictness', () => {
    expect(write({ tools })).toEqual({ toolConfig: { tools: specs } })
    expect(write({ tools: [{ name: 'now', description: ' ', strict: false }] })).toEqual({
      toolConfig: { tools: [nowSpec] },
    })
  })

  test('a cache point stands behind its tool', () => {
    const cached = [{ ...now, cache: { ttl: '5m' as const } }, weather]
    expect(write({ tools: cached }).toolConfig?.tools).toEqual([
      nowSpec,
      { cachePoint: { type: 'default' } },
      weatherSpec,
    ])
  })
})

describe('the choice', () => {
  test.each<[ToolChoice, object]>([
    [{ type: 'auto' }, { tools: specs }],
    [{ type: 'required' }, { tools: specs, toolChoice: { any: {} } }],
    [
      { type: 'tool', name: 'now' },
      { tools: specs, toolChoice: { tool: { name: 'now' } } },
    ],
    [{ type: 'allowed', mode: 'auto', names: ['now'] }, { tools: [nowSpec] }],
    [
      { type: 'allowed', mode: 'required', names: ['now', 'gone'] },
      { tools: [nowSpec], toolChoice: { any: {} } },
    ],
  ])('%j', (toolChoice, toolConfig) => {
    expect(write({ tools, toolChoice })).toEqual({ toolConfig })
    // What the model may do is the same in the middle of a conversation.
    expect(write({ tools, toolChoice, turns }, models.llama)).toEqual({ toolConfig })
  })

  test('none, before any call, takes the tools away', () => {
    expect(write({ tools, toolChoice: { type: 'none' } })).toEqual({})
    expect(write({ tools, toolChoice: { type: 'none' } }, models.llama)).toEqual({})
  })

  test("none, after a call, is said in Claude's own words", () => {
    expect(write({ tools, toolChoice: { type: 'none' }, turns })).toEqual({
      toolConfig: { tools: specs },
      modelFields: { tool_choice: { type: 'none' } },
    })
  })

  test.each([models.opus41, models.nova, models.llama, models.profile])(
    'none, after a call, is refused for %s, which cannot be told',
    (model) => {
      expect(refusal({ tools, toolChoice: { type: 'none' }, turns }, model)).toMatchObject({
        code: 'unsupported_field',
        param: 'tool_choice',
      })
    },
  )

  test('among tools that there are not is refused', () => {
    const gone: ToolChoice = { type: 'allowed', mode: 'auto', names: ['gone'] }
    for (const fields of [
      { toolChoice: { type: 'required' } as const },
      { toolChoice: { type: 'tool', name: 'now' } as const },
      { toolChoice: gone },
      { tools, toolChoice: gone },
    ])
      expect(refusal(fields).param).toBe('tool_choice')
    expect(write({ toolChoice: { type: 'auto' } })).toEqual({})
    expect(write({ toolChoice: { type: 'none' } })).toEqual({})
  })
})

describe('one call at a time', () => {
  test.each<[ToolChoice | undefined, object]>([
    [undefined, { type: 'auto' }],
    [{ type: 'auto' }, { type: 'auto' }],
    [{ type: 'required' }, { type: 'any' }],
    [
      { type: 'tool', name: 'now' },
      { type: 'tool', name: 'now' },
    ],
    [{ type: 'allowed', mode: 'required', names: ['weather', 'now'] }, { type: 'any' }],
  ])("with the choice %j, the whole of it is in Claude's own words", (toolChoice, own) => {
    expect(write({ tools, parallelToolCalls: false, ...(toolChoice && { toolChoice }) })).toEqual({
      toolConfig: { tools: specs },
      modelFields: { tool_choice: { ...own, disable_parallel_tool_use: true } },
    })
  })

  test.each([models.opus41, models.nova2, models.llama])('is refused for %s', (model) => {
    expect(refusal({ tools, parallelToolCalls: false }, model).param).toBe('parallel_tool_calls')
  })

  test('goes without saying where there is nothing to call', () => {
    expect(write({ parallelToolCalls: false }, models.llama)).toEqual({})
    expect(write({ parallelToolCalls: true, tools }, models.llama)).toEqual({ toolConfig: { tools: specs } })
  })
})

describe('calls in a conversation without tools', () => {
  const past = (name: string) => ({
    toolSpec: {
      name,
      description: 'Was called earlier in this conversation. It is not available any more.',
      inputSchema: { json: { type: 'object' } },
    },
  })

  test('are declared, and Claude is told to call none', () => {
    expect(write({ turns })).toEqual({
      toolConfig: { tools: [past('weather')] },
      modelFields: { tool_choice: { type: 'none' } },
    })
    expect(write({ turns }, models.llama)).toEqual({ toolConfig: { tools: [past('weather')] } })
  })

  test('whose results alone are left have the name of the result, or one made up', () => {
    const result: ToolResultPart = { type: 'tool_result', id: 'b', content: [] }
    expect(write({ turns: [{ role: 'user', parts: [{ ...result, name: 'now' }] }] }).toolConfig?.tools).toEqual([
      past('now'),
    ])
    expect(write({ turns: [{ role: 'user', parts: [result] }] }).toolConfig?.tools).toEqual([past('unknown')])
  })
})
