import { calcPrice, findProvider } from '@pydantic/genai-prices'
import { expect, test } from 'vitest'
import { PriceBook } from './prices.ts'

const openai = { name: 'o', type: 'openai' } as const
const anthropic = { name: 'a', type: 'anthropic' } as const
const gemini = { name: 'g', type: 'gemini' } as const
const own = { name: 'own', type: 'openai-compatible' } as const
const million = 1_000_000

test.each([
  ['gpt-4o-mini: 0.15 in, 0.60 out', openai, 'gpt-4o-mini', { input: million, output: million }, 0.75],
  [
    'half of it cached at 0.075',
    openai,
    'gpt-4o-mini',
    { input: million, output: 0, cachedInput: million / 2 },
    0.1125,
  ],
  ['claude-sonnet-4-5: 3 in, 15 out', anthropic, 'claude-sonnet-4-5', { input: 100_000, output: 100_000 }, 1.8],
  [
    'a cache write at 3.75',
    anthropic,
    'claude-sonnet-4-5',
    { input: 100_000, output: 0, cacheWriteInput: 100_000 },
    0.375,
  ],
  ['a cache read at 0.30', anthropic, 'claude-sonnet-4-5', { input: 100_000, output: 0, cachedInput: 100_000 }, 0.03],
  ['a tier by the length of the prompt: 1.25 in', gemini, 'gemini-2.5-pro', { input: 100_000, output: 0 }, 0.125],
  ['a tier by the length of the prompt: 2.50 in', gemini, 'gemini-2.5-pro', { input: 300_000, output: 0 }, 0.75],
])('%s', (_, provider, model, usage, usd) => {
  const book = new PriceBook({})
  for (let i = 0; i < 2; i++)
    expect(book.cost(provider, model, usage)).toEqual({ usd: expect.closeTo(usd, 9), source: 'catalogue' })
})

test('the rules come before the catalogue, and a provider’s model before a model', () => {
  const book = new PriceBook({
    'gpt-4o-mini': { input: 1, output: 2 },
    'own/gpt-4o-mini': { input: 4, output: 8, cachedInput: 1, cacheWriteInput: 5 },
  })
  expect(book.cost(openai, 'gpt-4o-mini', { input: million, output: million })).toEqual({ usd: 3, source: 'rules' })
  expect(
    book.cost(own, 'gpt-4o-mini', { input: million, output: 0, cachedInput: 250_000, cacheWriteInput: 250_000 })?.usd,
  ).toBeCloseTo(0.5 * 4 + 0.25 * 1 + 0.25 * 5, 9)
})

test('an unknown price is no price', () => {
  expect(new PriceBook({}).cost(own, 'a-model-nobody-knows', { input: 5, output: 5 })).toBeUndefined()
})

test('the short way gives what the catalogue says, on either side of a threshold', () => {
  const book = new PriceBook({})
  const provider = findProvider({ providerId: 'anthropic' })!
  for (const input of [0, 1, 199_999, 200_000, 200_001, 900_000])
    for (const output of [0, 7, 50_000])
      for (const [cachedInput, cacheWriteInput] of [
        [0, 0],
        [Math.floor(input / 3), Math.floor(input / 4)],
      ] as const) {
        const exact = calcPrice(
          {
            input_tokens: input,
            output_tokens: output,
            ...(cachedInput && { cache_read_tokens: cachedInput }),
            ...(cacheWriteInput && { cache_write_tokens: cacheWriteInput }),
          },
          'claude-sonnet-4-5',
          { provider },
        )
        expect(
          book.cost(anthropic, 'claude-sonnet-4-5', { input, output, cachedInput, cacheWriteInput })?.usd,
        ).toBeCloseTo(exact!.total_price, 9)
      }
})
