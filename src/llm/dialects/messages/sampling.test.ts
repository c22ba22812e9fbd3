import { describe, expect, test } from 'vitest'
import type { Conversation } from '../../conversation.ts'
import { conversation } from '../chat/testing.ts'
import { writeSampling } from './sampling.ts'
import { requestContext } from './testing.ts'

function write(model: string, fields: Partial<Conversation>) {
  return writeSampling(conversation(fields), requestContext(model))
}

test('goes as it came', () => {
  expect(write('claude-sonnet-4-5', { temperature: 0, topP: 0.9, topK: 0 })).toEqual({
    temperature: 0,
    top_p: 0.9,
    top_k: 0,
  })
})

test.each(['claude-sonnet-4-5', 'claude-opus-4-7', 'my-deployment'])('%s is not told what is so anyway', (model) => {
  expect(write(model, { temperature: 1, topP: 1 })).toEqual({})
})

test.each([-0.1, 1.1, 2])('no Claude has a temperature of %d', (temperature) => {
  expect(() => write('claude-3-haiku-20240307', { temperature })).toThrow(
    expect.objectContaining({ param: 'temperature' }),
  )
})

describe('models without a choice', () => {
  test.each([
    ['temperature', { temperature: 0.5 }],
    ['top_p', { topP: 0.5 }],
    ['top_k', { topK: 5 }],
  ])('%s', (param, fields) => {
    for (const model of ['claude-opus-4-7', 'claude-sonnet-5', 'claude-mythos-preview'])
      expect(() => write(model, fields)).toThrow(expect.objectContaining({ param }))
    for (const model of ['claude-opus-4-6', 'my-deployment'])
      expect(write(model, fields)).toEqual({ [param]: Object.values(fields)[0] })
  })
})
