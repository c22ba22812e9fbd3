import { describe, expect, test } from 'vitest'
import type { Conversation, Reasoning, Turn } from '../../conversation.ts'
import { conversation, requestContext } from '../chat/testing.ts'
import { thinkingConfig } from './thinking-config.ts'

function config(model: string, reasoning: Reasoning, fields: Partial<Conversation> = {}) {
  const context = requestContext({}, model)
  const { dropped } = context
  return { ...thinkingConfig(conversation({ reasoning, ...fields }), context), dropped }
}

const budget = (budget_tokens: number) => ({ type: 'enabled', budget_tokens })
const adaptive = { type: 'adaptive' }

describe('what each generation of Claude is told', () => {
  test.each<[string, Reasoning, object]>([
    // A budget of tokens.
    ['claude-sonnet-4-5-20250929', { effort: 'low' }, { thinking: budget(2048), max_tokens: 2048 + 4096 }],
    ['claude-3-7-sonnet-latest', { effort: 'high' }, { thinking: budget(16384), max_tokens: 16384 + 4096 }],
    ['claude-sonnet-4@20250514', { budget: 5000 }, { thinking: budget(5000), max_tokens: 5000 + 4096 }],
    ['claude-haiku-4-5', { budget: 10 }, { thinking: budget(1024), max_tokens: 1024 + 4096 }],
    ['claude-haiku-4-5', { adaptive: true }, { thinking: budget(16384), max_tokens: 16384 + 4096 }],
    ['claude-opus-4-1', { effort: 'max' }, { thinking: budget(32_000 - 4096), max_tokens: 32_000 }],
    ['claude-opus-4-5', { effort: 'max' }, { thinking: budget(32768), max_tokens: 32768 + 4096 }],
    ['claude-opus-4-5', { effort: 'none' }, { max_tokens: 4096 }],
    // A budget, or adaptive with an effort.
    ['claude-opus-4-6', { effort: 'medium' }, { thinking: adaptive, effort: 'medium', max_tokens: 8192 + 4096 }],
    ['claude-opus-4-6', { budget: 2000 }, { thinking: budget(2000), max_tokens: 2000 + 4096 }],
    // Adaptive only.
    ['claude-opus-4-7', { effort: 'xhigh' }, { thinking: adaptive, effort: 'xhigh', max_tokens: 24576 + 4096 }],
    ['claude-opus-4-7', { budget: 9000 }, { thinking: adaptive, effort: 'high', max_tokens: 16384 + 4096 }],
    ['claude-opus-4-7', { adaptive: true }, { thinking: adaptive, max_tokens: 16384 + 4096 }],
    [
      'claude-opus-4-7',
      { adaptive: true, summary: 'auto' },
      { thinking: { ...adaptive, display: 'summarized' }, max_tokens: 16384 + 4096 },
    ],
    // Thinking unless told otherwise.
    ['claude-sonnet-5', {}, { max_tokens: 16384 + 4096 }],
    ['claude-sonnet-5', { effort: 'none' }, { thinking: { type: 'disabled' }, max_tokens: 4096 }],
    // A name that tells nothing.
    ['my-deployment', { effort: 'low' }, { thinking: adaptive, effort: 'low', max_tokens: 2048 + 4096 }],
    ['my-deployment', { effort: 'none' }, { thinking: { type: 'disabled' }, max_tokens: 4096 }],
    ['my-deployment', {}, { max_tokens: 4096 }],
  ])('%s, %j', (model, reasoning, written) => {
    expect(config(model, reasoning)).toEqual({ ...written, dropped: [] })
  })

  test('models that cannot stop think little', () => {
    expect(config('claude-fable-5', { effort: 'none' })).toEqual({
      effort: 'low',
      max_tokens: 2048 + 4096,
      dropped: ['reasoning.effort'],
    })
  })
})

describe("the client's own limit", () => {
  test('stays, and the budget fits below it', () => {
    expect(config('claude-sonnet-4-5', { effort: 'high' }, { maxTokens: 3000 })).toEqual({
      thinking: budget(2999),
      max_tokens: 3000,
      dropped: [],
    })
    expect(config('claude-opus-4-7', { effort: 'high' }, { maxTokens: 3000 }).max_tokens).toBe(3000)
  })

  test('refused where no budget fits', () => {
    expect(() => config('claude-sonnet-4-5', { effort: 'low' }, { maxTokens: 1024 })).toThrow(/limit of 1024/)
  })
})

test('a model that cannot think is not asked to', () => {
  expect(() => config('claude-3-5-haiku-20241022', { effort: 'low' })).toThrow(/does not think/)
})

describe('what the API does not allow beside thinking', () => {
  test.each<[string, Partial<Conversation>]>([
    ['temperature', { temperature: 0.5 }],
    ['top_p', { topP: 0.5 }],
    ['top_k', { topK: 5 }],
    ['tool_choice', { toolChoice: { type: 'required' } }],
    ['tool_choice', { toolChoice: { type: 'tool', name: 'look' } }],
    ['tool_choice', { toolChoice: { type: 'allowed', mode: 'required', names: ['look'] } }],
  ])('%s', (field, fields) => {
    for (const model of ['claude-sonnet-4-5', 'claude-opus-4-6'])
      expect(() => config(model, { effort: 'low' }, fields)).toThrow(expect.objectContaining({ param: field }))
    expect(config('claude-sonnet-4-5', { effort: 'none' }, fields).dropped).toEqual([])
  })

  test('the same where it is harmless', () => {
    const harmless: Partial<Conversation> = {
      temperature: 1,
      topP: 0.95,
      toolChoice: { type: 'allowed', mode: 'auto', names: ['look'] },
    }
    expect(config('claude-sonnet-4-5', { effort: 'low' }, harmless).thinking).toEqual(budget(2048))
  })
})

describe('between a call and its results', () => {
  const call = { type: 'tool_call', id: 'c', name: 'look', arguments: '{}' } as const
  const result: Turn = { role: 'user', parts: [{ type: 'tool_result', id: 'c', content: [] }] }
  const signed = (origin: 'anthropic' | 'bedrock'): Turn => ({
    role: 'assistant',
    parts: [{ type: 'reasoning', text: 'Hm.', signature: { origin, value: 's' } }, call],
  })

  test('thinking goes on where its proof is there', () => {
    const { thinking, dropped } = config(
      'claude-sonnet-4-5',
      { effort: 'low' },
      { turns: [signed('anthropic'), result] },
    )
    expect({ thinking, dropped }).toEqual({ thinking: budget(2048), dropped: [] })
  })

  test("another provider's call is answered without thinking, and with what thinking forbids", () => {
    const fields = { turns: [signed('bedrock'), result], temperature: 0.5 }
    expect(config('claude-sonnet-4-5', { effort: 'low' }, fields)).toEqual({ max_tokens: 4096, dropped: ['reasoning'] })
  })

  test('adaptive thinking begins anywhere', () => {
    const { thinking } = config('claude-opus-4-6', { effort: 'low' }, { turns: [signed('bedrock'), result] })
    expect(thinking).toEqual(adaptive)
  })
})
