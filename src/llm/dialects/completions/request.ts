import type { Conversation, JsonObject } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { booleanField, countField, definedOnly, objectField, textField, unsupported } from '../../fields.ts'
import { readSampling } from '../chat/request.ts'

/** Fields of the request that this reader gives a meaning, or that mean nothing more once it has been read. */
const known = new Set([
  'model',
  'prompt',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'seed',
  'stop',
  'n',
  'stream',
  'stream_options',
  'user',
])

/** What this API's documentation gives an answer that says nothing of its length. */
const defaultMaxTokens = 16

/**
 * Reads the body of `POST /v1/completions`. The prompt becomes one user turn: no other API continues a text. Fields
 * that no other API has (`suffix`, `echo`, `best_of`, `logprobs`) are kept in `extra`, to be refused by name.
 * @see ClientDialect.readRequest
 */
export function readRequest(body: JsonObject): Conversation {
  objectField(body, 'stream_options')
  const n = countField(body, 'n', 1)
  return definedOnly<Conversation>({
    turns: [{ role: 'user', parts: [{ type: 'text', text: readPrompt(body.prompt) }] }],
    tools: [],
    maxTokens: countField(body, 'max_tokens', 1) ?? defaultMaxTokens,
    ...readSampling(body),
    n,
    stream: booleanField(body, 'stream') ?? false,
    user: textField(body, 'user'),
    extra: Object.fromEntries(
      Object.entries(body).filter(
        ([field, value]) => !known.has(field) && (value ?? undefined) !== undefined && !saysNothing(field, value, n),
      ),
    ),
  })
}

/** The values by which a client says what is so anyway. The best of as many as are given are all of them. */
function saysNothing(field: string, value: unknown, n = 1): boolean {
  switch (field) {
    case 'echo':
      return value === false
    case 'suffix':
      return value === ''
    case 'best_of':
      return value === n
    default:
      return false
  }
}

/** One string, alone or in an array. */
function readPrompt(prompt: unknown): string {
  if (typeof prompt === 'string') return prompt
  if ((prompt ?? undefined) === undefined) throw invalid('prompt', 'prompt is required: a string.')
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw invalid('prompt', 'prompt must be a string or an array of one string.')
  if (prompt.some((item) => typeof item === 'number' || Array.isArray(item)))
    throw unsupported(
      'prompt',
      "the provider behind this model does not take tokens, whose numbers mean another model's words. Send the prompt as text.",
    )
  const [only]: unknown[] = prompt
  if (prompt.length > 1)
    throw unsupported('prompt', 'the provider behind this model takes one prompt at a time. Send a request for each.')
  if (typeof only === 'string') return only
  throw invalid('prompt[0]', 'prompt[0] must be a string.')
}
