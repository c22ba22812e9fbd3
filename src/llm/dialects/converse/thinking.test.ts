import { describe, expect, test } from 'vitest'
import type { Conversation, Part, Reasoning, Turn } from '../../conversation.ts'
import { context, conversation, errorOf, models } from './testing.ts'
import { type ThinkingFields, thinkingFields } from './thinking.ts'

const think = (model: string, reasoning?: Reasoning, fields: Partial<Conversation> = {}) => {
  const target = context(model)
  const written = thinkingFields(conversation({ ...fields, ...(reasoning && { reasoning }) }), target)
  return { ...written, dropped: target.dropped }
}
const enabled = (budget_tokens: number): ThinkingFields => ({
  modelFields: { thinking: { type: 'enabled', budget_tokens } },
})
const adaptive = (effort?: string, display?: string): ThinkingFields => ({
  modelFields: { thinking: { type: 'adaptive', ...(display && { display }) } },
  ...(effort && { effort }),
})

test.each(Object.values(models))('%s is told nothing where nothing is asked', (model) => {
  expect(think(model)).toEqual({ dropped: [] })
  expect(think(model, {})).toEqual({ dropped: [] })
})

describe('what the model is told', () => {
  test.each<[string, Reasoning, ThinkingFields]>([
    // Claude with a budget.
    [models.sonnet37, { budget: 5000 }, enabled(5000)],
    [models.sonnet37, { budget: 10 }, enabled(1024)],
    [models.sonnet37, { effort: 'low' }, enabled(2048)],
    [models.sonnet45, { effort: 'max' }, enabled(32768)],
    [models.sonnet45, { effort: 'low', budget: 9000 }, enabled(9000)],
    [models.opus41, { adaptive: true }, enabled(16384)],
    [models.haiku3, { effort: 'none' }, {}],
    [models.sonnet45, { effort: 'none' }, {}],
    // Either.
    [models.opus46, { budget: 5000 }, enabled(5000)],
    [models.opus46, { adaptive: true }, adaptive()],
    [models.opus46, { effort: 'minimal' }, adaptive('low')],
    [models.opus46, { effort: 'xhigh' }, adaptive('max')],
    [models.opus46, { effort: 'medium', budget: 5000 }, adaptive('medium')],
    // Adaptive only.
    [models.opus47, { effort: 'xhigh' }, adaptive('xhigh')],
    [models.opus47, { budget: 9000 }, adaptive('high')],
    [models.opus47, { budget: 0 }, adaptive('low')],
    [models.opus47, { adaptive: true, summary: 'auto' }, adaptive(undefined, 'summarized')],
    [models.opus47, { effort: 'high', summary: 'none' }, adaptive('high', 'omitted')],
    [models.opus47, { effort: 'none' }, {}],
    // Thinking unless told otherwise.
    [models.opus5, { effort: 'none' }, { modelFields: { thinking: { type: 'disabled' } } }],
    [models.sonnet55, { effort: 'none' }, { modelFields: { thinking: { type: 'between_tools' } } }],
    // Asked only to show it, which those that do not think unasked have nothing to do for.
    [models.opus5, { summary: 'detailed' }, adaptive(undefined, 'summarized')],
    [models.fable5, { summary: 'auto' }, adaptive(undefined, 'summarized')],
    [models.opus5, { summary: 'none' }, {}],
    [models.opus47, { summary: 'auto' }, {}],
    // Other makers.
    [models.nova, { effort: 'none' }, {}],
    [models.nova2, { effort: 'none' }, { modelFields: { reasoningConfig: { type: 'disabled' } } }],
    [
      models.nova2,
      { effort: 'max' },
      { modelFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' } } },
    ],
    [
      models.nova2,
      { budget: 100 },
      { modelFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } } },
    ],
    [
      models.nova2,
      { adaptive: true },
      { modelFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' } } },
    ],
    [models.gptOss, { effort: 'xhigh' }, { modelFields: { reasoning_effort: 'high' } }],
    [models.gptOss, { budget: 8000 }, { modelFields: { reasoning_effort: 'medium' } }],
    [models.gptOss, { adaptive: true }, {}],
    [models.gpt, { effort: 'none' }, { modelFields: { reasoning: { effort: 'none' } } }],
    [models.gpt, { budget: 20_000 }, { modelFields: { reasoning: { effort: 'xhigh' } } }],
    [models.gpt, { adaptive: true }, {}],
    [models.llama, { effort: 'minimal' }, { effort: 'low' }],
    [models.profile, { budget: 100_000 }, { effort: 'max' }],
    [models.profile, { adaptive: true }, {}],
  ])('%s, %j', (model, reasoning, written) => {
    expect(think(model, reasoning)).toEqual({ ...written, dropped: [] })
  })

  test.each<[string, ThinkingFields]>([
    [models.opus55, { effort: 'low' }],
    [models.fable5, { effort: 'low' }],
    [models.gptOss, { modelFields: { reasoning_effort: 'low' } }],
    [models.llama, {}],
  ])('%s cannot stop, and thinks as little as it can', (model, written) => {
    expect(think(model, { effort: 'none' })).toEqual({ ...written, dropped: ['reasoning.effort'] })
  })

  test.each([models.sonnet45, models.opus46, models.nova2, models.gptOss, models.gpt, models.llama])(
    '%s cannot be told whether to show it',
    (model) => {
      expect(think(model, { summary: 'auto' })).toEqual({ dropped: ['reasoning.summary'] })
      expect(think(model, { summary: 'auto', effort: 'low' }).dropped).toEqual(['reasoning.summary'])
    },
  )

  test.each([
    [models.haiku3, { effort: 'low' }],
    [models.haiku3, { budget: 2000 }],
    [models.haiku3, { adaptive: true }],
    [models.nova, { effort: 'low' }],
    [models.nova, { adaptive: true }],
  ] as const)('%s does not think: %j is refused', (model, reasoning) => {
    expect(errorOf(() => think(model, reasoning))).toMatchObject({ code: 'unsupported_field', param: 'reasoning' })
  })
})

describe("the answer's own limit", () => {
  test.each([
    [1025, 1024],
    [3000, 2999],
    [5001, 5000],
    [9000, 5000],
  ])('of %i leaves a budget of %i', (maxTokens, budget) => {
    expect(think(models.sonnet45, { budget: 5000 }, { maxTokens })).toEqual({ ...enabled(budget), dropped: [] })
  })

  test('without room for the least budget is refused', () => {
    const error = errorOf(() => think(models.sonnet45, { budget: 5000 }, { maxTokens: 1024 }))
    expect(error).toMatchObject({ code: 'unsupported_field', param: 'reasoning' })
  })

  test('does not matter to models without a budget', () => {
    expect(think(models.opus47, { effort: 'low' }, { maxTokens: 10 })).toEqual({ ...adaptive('low'), dropped: [] })
  })
})

describe('in the middle of a conversation', () => {
  const question: Turn = { role: 'user', parts: [{ type: 'text', text: 'Rain?' }] }
  const call: Part = { type: 'tool_call', id: 'a', name: 'f', arguments: '{}' }
  const results: Turn = { role: 'user', parts: [{ type: 'tool_result', id: 'a', content: [] }] }
  const proof = (origin: 'bedrock' | 'anthropic'): Part => ({
    type: 'reasoning',
    text: 'Hm.',
    signature: { origin, value: 's' },
  })
  const turns = (...parts: Part[]): Turn[] => [question, { role: 'assistant', parts }, results]
  const without = { dropped: ['reasoning'] }
  const going = { ...enabled(2048), dropped: [] }

  test.each<[string, Turn[], object]>([
    ['a call of its own after proven thinking', turns(proof('bedrock'), call), going],
    ['a call without thinking', turns(call), without],
    ['a call after a text', turns({ type: 'text', text: 'Wait.' }, call), without],
    ['thinking that another provider proves', turns(proof('anthropic'), call), without],
    ['unproven thinking before proven', turns({ type: 'reasoning', text: 'Hm.' }, proof('bedrock'), call), going],
    ['a note of the system between', [...turns(call), { role: 'system', parts: [] }], without],
    ['a question after the results', [...turns(call), question], without],
    ['an answer after the results', [...turns(call), { role: 'assistant', parts: [] }, question], going],
    ['results alone', [results], going],
    ['no calls', [question], going],
  ])('%s', (_, turns, written) => {
    expect(think(models.sonnet45, { effort: 'low' }, { turns })).toEqual(written)
  })

  test('adaptive models think all the same', () => {
    expect(think(models.opus47, { effort: 'low' }, { turns: turns(call) })).toEqual({ ...adaptive('low'), dropped: [] })
  })
})
