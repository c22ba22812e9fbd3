import type { Answer, AnswerEvent, Conversation, DialectName, JsonObject, Usage } from './conversation.ts'
import type { ApiError } from './errors.ts'

/**
 * One wire format of chat, in both directions. Each folder under dialects/ holds one, in files of the same names:
 * `request.ts` (readRequest, writeRequest), `answer.ts` (readAnswer, writeAnswer), `stream.ts` (readStream,
 * writeStream), `errors.ts` (readError, writeError), `observe.ts`, and `index.ts` that puts them together.
 * All of it is pure: JSON in, JSON out, no clock, no I/O.
 */

/** The half that a client's API needs: its requests come in, its answers go out. */
export interface ClientDialect {
  readonly name: DialectName
  /**
   * Reads a client's request body.
   * @throws {ApiError} 400 with `param` where a field has the wrong type or an unknown role, part or tool kind.
   */
  readRequest(body: JsonObject): Conversation
  /** Writes a whole answer as this API's response body. */
  writeAnswer(answer: Answer, context: AnswerContext): JsonObject
  /** A writer for one streamed answer of this API. */
  writeStream(context: AnswerContext): StreamWriter
  /** This API's error object for a response body. */
  writeError(error: ApiError): JsonObject
  /**
   * Takes what other providers made (see Opaque) out of a request that goes on in this very format: after a switch of
   * provider in mid-conversation, the provider would refuse it. Called only where the marks of src/llm/opaque.ts occur.
   * @param model the model's name at the provider, for APIs that want other things of other models
   * @returns the body to send, or undefined where it may stay as it is
   */
  withoutForeign?(body: JsonObject, model?: string): JsonObject | undefined
}

/** The half that a provider's API needs: requests go out to it, its answers come in. */
export interface ProviderDialect {
  readonly name: DialectName
  /**
   * The fields that this target has no place for and that are left out, because what the client asked for stays
   * true without them: neutral field (or a client's top-level field kept in `extra`) to the reason, one sentence.
   * docs/translation.md lists exactly these (a test compares them). Everything else that cannot be written is refused.
   */
  readonly drops: Readonly<Record<string, string>>
  /**
   * Writes the body of a request to a provider (without what only the provider's address knows, such as Vertex's
   * anthropic_version: src/llm/providers adds that).
   * @throws {ApiError} 400 through `context.refuse` where the target cannot express what the client asked.
   */
  writeRequest(conversation: Conversation, context: RequestContext): JsonObject
  /**
   * Reads a whole answer.
   * @throws {ApiError} 502 where it is not an answer of this dialect.
   */
  readAnswer(body: JsonObject): Answer
  /** A reader for one streamed answer of this dialect. */
  readStream(): StreamReader
  /**
   * Reads an error response.
   * @param status the HTTP status
   * @param body the parsed body, or undefined where it was not JSON
   */
  readError(status: number, body: JsonObject | undefined): ApiError
}

/** What both halves share: reading the figures of an answer that only passes through. */
export interface ObservedDialect {
  /** Keys that mark JSON worth parsing in a streamed event: `usage`, `finish_reason`, … */
  readonly observedKeys: readonly string[]
  /** Takes figures from one streamed event's JSON, or a whole answer's, into `seen`. Never throws. */
  observe(json: JsonObject, seen: Observed): void
}

/** What is learnt from an answer on its way. */
export interface Observed {
  id?: string
  model?: string
  usage?: Usage
  /** In the client-neutral words of FinishReason where they map, else the wire's own. */
  finishReasons: string[]
  /** An error event inside a stream that began well: its code or type. */
  error?: string
}

export interface RequestContext {
  /** The model's name as the target knows it. */
  model: string
  /** Where the target's API deviates from its dialect's usual form. */
  quirks: Quirks
  /** Notes a documented drop: a field left out because the target has no such thing and no meaning is lost. */
  drop(field: string): void
  /**
   * Refuses the request: the target cannot express this field.
   * @param field the field in neutral words or as the client wrote it: `n`, `logit_bias`, `messages[2].content`
   * @param why a sentence for the client, ending in what to do
   */
  refuse(field: string, why: string): never
}

/**
 * Deals with a request's `extra` fields: those in the target's list of drops are dropped, any other is refused.
 * Every writeRequest calls it once.
 */
export function settleExtra(extra: JsonObject, drops: ProviderDialect['drops'], context: RequestContext): void {
  for (const field of Object.keys(extra)) {
    if (Object.hasOwn(drops, field)) context.drop(field)
    else
      context.refuse(
        field,
        `the provider behind this model speaks another API, which has no such field. Leave it out or choose a model whose provider has it.`,
      )
  }
}

/** Deviations of servers that speak a dialect in their own way (openai-compatible ones above all). */
export interface Quirks {
  /** The chat field that bounds the answer. OpenAI itself: `max_completion_tokens`; most others: `max_tokens`. */
  maxTokensField: 'max_completion_tokens' | 'max_tokens'
  /** Whether the `developer` role is known; otherwise it is written as `system`. */
  developerRole: boolean
  /** Whether `stream_options: { include_usage: true }` is understood. */
  streamUsage: boolean
  /** Whether `response_format: { type: 'json_schema' }` is understood. */
  jsonSchema: boolean
  /** Whether thinking goes back as text in `reasoning_content` (DeepSeek, vLLM). OpenAI itself knows no such field. */
  reasoningContent?: boolean
  /**
   * Where the proof of earlier thinking goes back: OpenRouter's `reasoning_details`, or Gemini's signatures of tool
   * calls in Google's `extra_content`. Absent: nowhere, as with OpenAI itself.
   */
  thinkingProof?: 'reasoning_details' | 'extra_content'
}

export interface AnswerContext {
  /** The model's name to show the client: the one it asked for. */
  model: string
  /** Unix seconds, for answers whose provider does not date them. */
  created: number
  /** An id for answers whose provider gives none, without prefix: the writer adds its own (`chatcmpl-`, `msg_`, …). */
  id: string
  /** Whether the client asked for usage in the stream (chat: `stream_options.include_usage`); always true elsewhere. */
  includeUsage: boolean
  /** The client's request, for APIs whose answers repeat parts of it (responses: tools, instructions, …). */
  request: JsonObject
}

/** Turns a provider's response bytes into events; bytes may be split anywhere. */
export interface StreamReader {
  /** @returns the events that became complete with this chunk, often none. */
  push(chunk: Uint8Array): AnswerEvent[]
  /** The response ended. A stream that stopped before its own last event yields an `error` event and `end`. */
  end(): AnswerEvent[]
}

/** Turns events into a client API's stream. */
export interface StreamWriter {
  /** @returns the text to send for these events: whole SSE events, or an empty string. */
  write(events: readonly AnswerEvent[]): string
}
