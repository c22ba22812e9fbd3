import { describe, expect, test } from 'vitest'
import type { Reasoning } from '../../conversation.ts'
import { geminiModel } from './model.ts'
import { context } from './testing.ts'
import { thinkingConfig } from './thinking.ts'
import type { ThinkingConfig } from './wire.ts'

describe('the generation in the name of a model', () => {
  test.each([
    ['gemini-2.5-flash-lite', 2.5, 'flash-lite'],
    ['gemini-3-pro-preview', 3, 'pro'],
    ['models/gemini-3.1-flash-lite-preview', 3.1, 'flash-lite'],
    ['publishers/google/models/gemini-2.0-flash-001', 2, 'flash'],
    ['gemini-flash-latest', Number.POSITIVE_INFINITY, 'flash'],
    ['projects/1/locations/eu/endpoints/42', Number.POSITIVE_INFINITY, undefined],
  ])('%s', (name, generation, tier) => {
    expect(geminiModel(name)).toEqual({ generation, tier })
  })
})

describe('thinking', () => {
  test.each<[string, Reasoning, ThinkingConfig | undefined]>([
    ['gemini-2.5-flash', { effort: 'none' }, { thinkingBudget: 0 }],
    ['gemini-2.5-flash', { effort: 'low' }, { thinkingBudget: 2048 }],
    ['gemini-2.5-flash', { effort: 'max' }, { thinkingBudget: 24_576 }],
    ['gemini-2.5-pro', { effort: 'max' }, { thinkingBudget: 32_768 }],
    ['gemini-2.5-pro', { budget: 50 }, { thinkingBudget: 128, includeThoughts: true }],
    ['gemini-2.5-flash-lite', { budget: 50 }, { thinkingBudget: 512, includeThoughts: true }],
    ['gemini-2.5-flash', { budget: 5000, summary: 'none' }, { thinkingBudget: 5000 }],
    ['gemini-2.5-flash', { budget: 5000, effort: 'none' }, { thinkingBudget: 0 }],
    ['gemini-2.5-flash', { adaptive: true }, { thinkingBudget: -1, includeThoughts: true }],
    ['gemini-2.5-flash', { adaptive: true, effort: 'high' }, { thinkingBudget: 16_384, includeThoughts: true }],
    ['gemini-2.5-flash', { summary: 'auto' }, { includeThoughts: true }],
    ['gemini-3-flash-preview', { effort: 'minimal' }, { thinkingLevel: 'MINIMAL' }],
    ['gemini-3.5-flash', { effort: 'medium', summary: 'detailed' }, { thinkingLevel: 'MEDIUM', includeThoughts: true }],
    ['gemini-3.5-flash', { effort: 'xhigh' }, { thinkingLevel: 'HIGH' }],
    ['gemini-3.8-flash', { effort: 'minimal' }, { thinkingLevel: 'LOW' }],
    ['gemini-3.1-pro-preview', { effort: 'minimal' }, { thinkingLevel: 'LOW' }],
    ['gemini-3.1-pro-preview', { effort: 'medium' }, { thinkingLevel: 'MEDIUM' }],
    ['gemini-3-pro-preview', { effort: 'medium' }, { thinkingLevel: 'HIGH' }],
    ['gemini-3.5-flash', { budget: 4096 }, { thinkingLevel: 'MEDIUM', includeThoughts: true }],
    ['gemini-3.5-flash', { adaptive: true }, { includeThoughts: true }],
    ['gemini-flash-latest', { effort: 'low' }, { thinkingLevel: 'LOW' }],
    ['gemini-3.5-flash', {}, undefined],
    ['gemini-2.0-flash', { effort: 'none' }, undefined],
    ['gemini-2.0-flash', { summary: 'auto' }, undefined],
  ])('%s %j', (model, reasoning, config) => {
    const noted = context(model)
    expect(thinkingConfig(reasoning, noted)).toEqual(config)
    expect(noted.dropped).toEqual([])
  })

  test.each([
    ['gemini-2.5-pro', { thinkingBudget: 128 }],
    ['gemini-3-flash-preview', { thinkingLevel: 'MINIMAL' }],
    ['gemini-3.8-flash', { thinkingLevel: 'LOW' }],
  ])('%s cannot stop thinking: it thinks least, and that is noted', (model, config) => {
    const noted = context(model)
    expect(thinkingConfig({ effort: 'none', summary: 'auto' }, noted)).toEqual(config)
    expect(noted.dropped).toEqual(['reasoning.effort'])
  })

  test.each<Reasoning>([{ effort: 'low' }, { budget: 1024 }, { adaptive: true }])(
    'a model before 2.5 is not asked to think: %j',
    (reasoning) => {
      expect(() => thinkingConfig(reasoning, context('gemini-2.0-flash'))).toThrow(
        expect.objectContaining({ status: 400, param: 'reasoning' }),
      )
    },
  )
})
