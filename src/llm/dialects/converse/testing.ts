import { EventStreamCodec } from '@smithy/eventstream-codec'
import type { AnswerEvent, Conversation, JsonObject } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { readStream } from './stream.ts'

/** A conversation of one user message, for tests to vary. */
export function conversation(fields: Partial<Conversation> = {}): Conversation {
  return {
    turns: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
    tools: [],
    stream: false,
    extra: {},
    ...fields,
  }
}

export const models = {
  haiku3: 'anthropic.claude-3-haiku-20240307-v1:0',
  sonnet37: 'us.anthropic.claude-3-7-sonnet-20250219-v1:0',
  opus41: 'us.anthropic.claude-opus-4-1-20250805-v1:0',
  sonnet45: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  opus46: 'global.anthropic.claude-opus-4-6-v1',
  opus47: 'anthropic.claude-opus-4-7',
  opus5: 'anthropic.claude-opus-5',
  opus55: 'anthropic.claude-opus-5-5',
  sonnet55: 'anthropic.claude-sonnet-5-5',
  fable5: 'anthropic.claude-fable-5',
  nova: 'us.amazon.nova-pro-v1:0',
  nova2: 'us.amazon.nova-2-lite-v1:0',
  gptOss: 'openai.gpt-oss-120b-1:0',
  gpt: 'us.openai.gpt-5.2',
  llama: 'us.meta.llama3-3-70b-instruct-v1:0',
  cohere: 'cohere.command-r-plus-v1:0',
  profile: 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3',
} as const

/** A context that remembers its drops and throws refusals as errors whose `param` is the field. */
export function context(model: string = models.sonnet45): RequestContext & { dropped: string[] } {
  const dropped: string[] = []
  return {
    model,
    quirks: { maxTokensField: 'max_tokens', developerRole: false, streamUsage: true, jsonSchema: true },
    dropped,
    drop: (field) => void dropped.push(field),
    refuse: (field, why) => {
      throw new ApiError(400, 'invalid_request_error', why, { code: 'unsupported_field', param: field })
    },
  }
}

/** @returns the ApiError that is thrown; any other error goes on */
export function errorOf(run: () => unknown): ApiError {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** AWS's own encoder of frames. */
export const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text, 'utf8'),
)

const text = (value: string) => ({ type: 'string', value }) as const

/** A frame as Bedrock sends its events. */
export function eventFrame(type: string, body: JsonObject): Uint8Array {
  return frame({ ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, body)
}

/** A frame as Bedrock sends an exception. */
export function exceptionFrame(type: string, body: JsonObject): Uint8Array {
  return frame({ ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' }, body)
}

/** A frame with these string headers and JSON, or with a body that is none. */
export function frame(headers: Record<string, string>, body: JsonObject | string): Uint8Array {
  return codec.encode({
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, text(value)])),
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  })
}

/** A recorded stream as JSON, `[[type, event], …]`, in its frames. */
export function streamOf(...events: (readonly [string, JsonObject])[]): Uint8Array {
  return Buffer.concat(events.map(([type, event]) => eventFrame(type, event)))
}

/** Everything a reader tells of these chunks. */
export function read(...chunks: Uint8Array[]): AnswerEvent[] {
  const reader = readStream()
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()]
}

/** Cuts the bytes at these positions. */
export function cut(data: Uint8Array, positions: readonly number[]): Uint8Array[] {
  const places = [0, ...positions.map((position) => position % (data.length + 1)), data.length].sort((a, b) => a - b)
  return places.slice(1).map((end, at) => data.subarray(places[at], end))
}
