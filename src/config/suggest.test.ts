import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listed, nearest, unknownName } from './suggest.ts'

const keys = ['providers', 'models', 'telemetry', 'apiKey', 'baseUrl', 'maxRequestBytes', 'when', 'by']

test.each([
  ['provider', 'providers'],
  ['modles', 'models'],
  ['telemtry', 'telemetry'],
  ['apikey', 'apiKey'],
  ['api_key', 'apiKey'],
  ['API-KEY', 'apiKey'],
  ['base_url', 'baseUrl'],
  ['max_request_bytes', 'maxRequestBytes'],
  ['wehn', 'when'],
  ['bz', 'by'],
])('%s is taken for %s', (written, meant) => {
  expect(nearest(written, keys)).toBe(meant)
})

test.each([['listeners'], ['xyzzy'], ['timeout'], [''], ['kubernetes'], ['x'.repeat(1_000_000)]])(
  'nothing is near %.20s',
  (written) => {
    expect(nearest(written, keys)).toBeUndefined()
  },
)

test('of several that are near the nearest is meant, and the first where they are as near', () => {
  expect(nearest('claude-sonnet-4', ['claude-opus-4', 'claude-sonnet-4-5', 'claude-sonnet-3'])).toBe('claude-sonnet-3')
  expect(nearest('ab', ['ax', 'ay'])).toBe('ax')
})

test('two neighbours swapped are one mistake', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{3,12}$/), fc.nat(), (word, seed) => {
      const at = seed % (word.length - 1)
      const swapped = word.slice(0, at) + word[at + 1] + word[at] + word.slice(at + 2)
      expect(nearest(swapped, [word])).toBe(word)
    }),
  )
})

test('what is suggested is one of the words', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (word, words) => {
      const found = nearest(word, words)
      if (found !== undefined) expect(words).toContain(found)
      if (words.includes(word)) expect(found?.toLowerCase()).toBe(word.toLowerCase())
    }),
  )
})

test('what there is, is listed as far as it can be read', () => {
  expect(listed('key', [])).toBe('there is no key at all')
  expect(listed('key', ['a'])).toBe('the only key is a')
  expect(listed('key', ['a', 'b'])).toBe('the keys are a, b')
  const many = Array.from({ length: 100 }, (_, index) => `m${index}`)
  expect(listed('model', many)).toMatch(/^the models are m0, m1, .*, m15, …$/)
})

test('a name of nothing comes with what was meant, or else with what there is', () => {
  expect(unknownName('model', 'fsat', ['fast', 'slow'])).toEqual({
    message: 'there is no model "fsat"',
    suggestion: 'fast',
  })
  expect(unknownName('model', 'gpt', ['fast', 'slow'])).toEqual({
    message: 'there is no model "gpt"; the models are fast, slow',
  })
  expect(unknownName('model', 'gpt', [])).toEqual({ message: 'there is no model "gpt"; there is no model at all' })
})
