import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { providerDialects } from '../index.ts'
import { readRequest } from './request.ts'
import { errorOf, requestContext } from './testing.ts'

const prompted = (fields: JsonObject): JsonObject => ({ model: 'm', prompt: 'Once upon a time', ...fields })

/** What a request's fields are read as, the prompt apart. */
function fieldsOf(fields: JsonObject): Partial<Conversation> {
  const { turns: _, tools: __, stream: ___, extra, ...read } = readRequest(prompted(fields))
  return Object.keys(extra).length > 0 ? { ...read, extra } : read
}

describe('the prompt', () => {
  test('becomes one message of the user', () => {
    expect(readRequest({ model: 'm', prompt: 'Once upon a time' })).toEqual({
      turns: [{ role: 'user', parts: [{ type: 'text', text: 'Once upon a time' }] }],
      tools: [],
      maxTokens: 16,
      stream: false,
      extra: {},
    })
  })

  test('may stand in an array', () => {
    expect(readRequest(prompted({ prompt: ['Once'] })).turns).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'Once' }] },
    ])
  })

  test.each<[unknown, string, string]>([
    [undefined, 'invalid_value', 'prompt'],
    [null, 'invalid_value', 'prompt'],
    [7, 'invalid_value', 'prompt'],
    [{ text: 'Once' }, 'invalid_value', 'prompt'],
    [[], 'invalid_value', 'prompt'],
    [[{}], 'invalid_value', 'prompt[0]'],
    [[null], 'invalid_value', 'prompt[0]'],
    // Tokens, whose numbers mean the words of one model.
    [[15496, 11], 'unsupported_field', 'prompt'],
    [[[15496], [11]], 'unsupported_field', 'prompt'],
    [['Once', 11], 'unsupported_field', 'prompt'],
    [['Once', 'Twice'], 'unsupported_field', 'prompt'],
  ])('%j is an error', (prompt, code, param) => {
    const error = errorOf(() => readRequest({ model: 'm', prompt }))
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', code, param })
  })
})

describe('fields', () => {
  test.each<[JsonObject, Partial<Conversation>]>([
    [{}, { maxTokens: 16 }],
    [{ max_tokens: null, stop: null, n: null, stream_options: null, user: null }, { maxTokens: 16 }],
    [
      { max_tokens: 5, n: 3, user: 'u' },
      { maxTokens: 5, n: 3, user: 'u' },
    ],
    [
      { temperature: 0.5, top_p: 0.9, top_k: 40, seed: -7 },
      { maxTokens: 16, temperature: 0.5, topP: 0.9, topK: 40, seed: -7 },
    ],
    [
      { presence_penalty: 1, frequency_penalty: -1, logit_bias: { '50256': -100 } },
      { maxTokens: 16, presencePenalty: 1, frequencyPenalty: -1, logitBias: { '50256': -100 } },
    ],
    [{ stop: '\n' }, { maxTokens: 16, stop: ['\n'] }],
    [{ stop: ['a', 'b'] }, { maxTokens: 16, stop: ['a', 'b'] }],
    [{ stream_options: { include_usage: true } }, { maxTokens: 16 }],
    // What a client says as it is anyway.
    [{ echo: false, suffix: '', best_of: 1, logprobs: null }, { maxTokens: 16 }],
    [
      { n: 3, best_of: 3 },
      { maxTokens: 16, n: 3 },
    ],
    // What no other API has.
    [
      { echo: true, suffix: 'The end.', best_of: 2, logprobs: 0, xyz: false },
      { maxTokens: 16, extra: { echo: true, suffix: 'The end.', best_of: 2, logprobs: 0, xyz: false } },
    ],
    [
      { n: 3, best_of: 1 },
      { maxTokens: 16, n: 3, extra: { best_of: 1 } },
    ],
  ])('%j', (fields, read) => {
    expect(fieldsOf(fields)).toEqual(read)
  })

  test('whether to stream', () => {
    expect(readRequest(prompted({ stream: true })).stream).toBe(true)
    expect(readRequest(prompted({ stream: null })).stream).toBe(false)
  })

  test.each<[JsonObject, string]>([
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ max_tokens: '16' }, 'max_tokens'],
    [{ n: 0 }, 'n'],
    [{ n: true }, 'n'],
    [{ temperature: 'hot' }, 'temperature'],
    [{ top_p: {} }, 'top_p'],
    [{ top_k: -1 }, 'top_k'],
    [{ seed: 0.5 }, 'seed'],
    [{ presence_penalty: [] }, 'presence_penalty'],
    [{ frequency_penalty: '1' }, 'frequency_penalty'],
    [{ logit_bias: [] }, 'logit_bias'],
    [{ logit_bias: { '1': 'never' } }, 'logit_bias.1'],
    [{ stop: 7 }, 'stop'],
    [{ stop: ['a', 7] }, 'stop[1]'],
    [{ stream: 'true' }, 'stream'],
    [{ stream_options: true }, 'stream_options'],
    [{ user: 7 }, 'user'],
  ])('%j is an error that names %s', (fields, param) => {
    const error = errorOf(() => readRequest(prompted(fields)))
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', code: 'invalid_value', param })
    expect(error.message).toContain(param)
  })
})

describe.each(Object.entries(providerDialects))('at a provider that speaks %s', (_, dialect) => {
  test.each(['echo', 'suffix', 'best_of', 'logprobs'])('%s is refused by its name', (field) => {
    const conversation = readRequest(prompted({ [field]: field === 'suffix' ? 'The end.' : 2 }))
    const error = errorOf(() => dialect.writeRequest(conversation, requestContext()))
    expect(error).toMatchObject({ status: 400, code: 'unsupported_field', param: field })
  })

  test('a plain prompt can be written', () => {
    const written = JSON.stringify(dialect.writeRequest(readRequest(prompted({})), requestContext()))
    expect(written).toContain('"Once upon a time"')
    expect(written).toContain('16')
  })
})

const known = [
  ...['prompt', 'max_tokens', 'temperature', 'top_p', 'top_k', 'presence_penalty', 'frequency_penalty'],
  ...['logit_bias', 'seed', 'stop', 'n', 'stream', 'stream_options', 'user', 'echo', 'suffix', 'best_of', 'logprobs'],
]

test('whatever JSON comes, it is read or refused by a field it has or lacks', () => {
  const body = fc.dictionary(fc.constantFrom(...known), fc.jsonValue(), { noNullPrototype: true })
  fc.assert(
    fc.property(body, fc.boolean(), (fields, sensible) => {
      try {
        const { turns, extra } = readRequest(sensible ? prompted({ ...fields, prompt: 'Once' }) : fields)
        expect(turns).toHaveLength(1)
        for (const field of Object.keys(extra)) expect(fields).toHaveProperty([field])
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError)
        const { status, param = '' } = error as ApiError
        expect(status).toBe(400)
        expect(known).toContain(/^\w*/.exec(param)![0])
      }
    }),
  )
})
