/**
 * The neutral form of a chat: what any client's API is read into, and what any provider's API is written from.
 *
 * It holds meaning, not wire format: each dialect (see dialect.ts) reads its own JSON into these types and writes
 * them back out, so that N client APIs reach M providers through N + M pieces of code instead of N × M. Between
 * equal dialects none of this runs: the client's bytes go through as they are.
 */

/** A JSON object as it came off the wire. */
export type JsonObject = { [key: string]: unknown }

/** The wire formats this service reads and writes. `completions` is spoken by clients only, `converse` by providers. */
export type DialectName = 'chat' | 'completions' | 'messages' | 'responses' | 'gemini' | 'converse'

/**
 * Data only its origin can make sense of: thinking signatures, encrypted reasoning, redacted thinking.
 * Sent back to a dialect of the same origin it must arrive byte for byte; sent to any other it is left out.
 */
export interface Opaque {
  origin: 'openai' | 'anthropic' | 'gemini' | 'bedrock'
  value: string
}

/** A prompt-cache breakpoint after the part that carries it (Anthropic `cache_control`, Bedrock `cachePoint`). */
export interface CacheMarker {
  /** `5m` where the client did not say. */
  ttl: '5m' | '1h'
}

/** Where an image, document or sound is: inline (base64 text as it came), behind a URL, or a provider's file id. */
export type Media =
  | { kind: 'base64'; mediaType: string; data: string }
  | { kind: 'url'; url: string; mediaType?: string }
  | { kind: 'file'; id: string }

export interface TextPart {
  type: 'text'
  text: string
  cache?: CacheMarker
}
export interface ImagePart {
  type: 'image'
  media: Media
  /** OpenAI's `detail`. */
  detail?: string
  cache?: CacheMarker
}
export interface DocumentPart {
  type: 'document'
  /** Plain-text documents are `{ kind: 'text' }`. */
  media: Media | { kind: 'text'; text: string }
  /** File name or title. */
  name?: string
  /** Anthropic's `context`. */
  context?: string
  /** Whether the model may cite it (Anthropic `citations.enabled`). */
  citations?: boolean
  cache?: CacheMarker
}
export interface AudioPart {
  type: 'audio'
  /** `format` is OpenAI's: wav, mp3, … */
  format: string
  data: string
}
export interface ToolCallPart {
  type: 'tool_call'
  id: string
  name: string
  /** The arguments as JSON text, exactly as the model wrote them. */
  arguments: string
  /** Gemini's thought signature sits on the call itself. */
  signature?: Opaque
  cache?: CacheMarker
}
export interface ToolResultPart {
  type: 'tool_result'
  /** The id of the call this answers. */
  id: string
  /** The function's name, where the wire told it or the conversation's earlier call did. */
  name?: string
  content: (TextPart | ImagePart | DocumentPart)[]
  isError?: boolean
  cache?: CacheMarker
}
export interface ReasoningPart {
  type: 'reasoning'
  /** The visible thinking or its summary; empty where the provider shows none. */
  text: string
  /** `text` is a summary of the thinking rather than the thinking itself (OpenAI responses, Gemini). */
  summary?: boolean
  /** Proof that the text came from the model. */
  signature?: Opaque
  /** Thinking that the provider encrypted instead of showing (`redacted_thinking`, `encrypted_content`). */
  redacted?: Opaque
  /** The item's id where the dialect has one (OpenAI responses `rs_…`). */
  id?: string
}
export interface RefusalPart {
  type: 'refusal'
  text: string
}

export type Part =
  | TextPart
  | ImagePart
  | DocumentPart
  | AudioPart
  | ToolCallPart
  | ToolResultPart
  | ReasoningPart
  | RefusalPart

/**
 * One turn. `system` and `developer` may stand anywhere; what a dialect cannot say in place is written where it can.
 * Tool results are parts of a `user` turn, whatever role the wire gave them. Consecutive turns of one role are
 * allowed; a writer whose wire wants alternation merges them (mergeTurns in this file).
 */
export interface Turn {
  role: 'system' | 'developer' | 'user' | 'assistant'
  parts: Part[]
  /** OpenAI's participant name. */
  name?: string
}

export interface Tool {
  name: string
  description?: string
  /** JSON Schema of the arguments; absent means a function without parameters. */
  parameters?: JsonObject
  /** OpenAI `strict`. */
  strict?: boolean
  cache?: CacheMarker
}

export type ToolChoice =
  | { type: 'auto' | 'none' | 'required' }
  | { type: 'tool'; name: string }
  | { type: 'allowed'; mode: 'auto' | 'required'; names: string[] }

export type OutputFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | { type: 'json_schema'; name: string; description?: string; schema: JsonObject; strict?: boolean }

/** How much the model should think. All absent: the provider's default. */
export interface Reasoning {
  /** `none` switches thinking off. */
  effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'
  /** Tokens. */
  budget?: number
  /** Anthropic `thinking: { type: 'adaptive' }`. */
  adaptive?: boolean
  /** Whether the client wants to see the thinking or a summary of it: OpenAI responses `reasoning.summary` &c. */
  summary?: 'auto' | 'concise' | 'detailed' | 'none'
}

/** A chat request. Fields are absent where the client did not set them. */
export interface Conversation {
  turns: Turn[]
  tools: Tool[]
  toolChoice?: ToolChoice
  /** false: at most one tool call per answer. */
  parallelToolCalls?: boolean
  output?: OutputFormat
  /** Upper bound on the answer's tokens, thinking included. */
  maxTokens?: number
  temperature?: number
  topP?: number
  topK?: number
  presencePenalty?: number
  frequencyPenalty?: number
  logitBias?: Record<string, number>
  seed?: number
  stop?: string[]
  /** How many answers. */
  n?: number
  logprobs?: boolean
  topLogprobs?: number
  reasoning?: Reasoning
  /** `low` | `medium` | `high`. */
  verbosity?: string
  stream: boolean
  /** Stable id of the end user (OpenAI `user` / `safety_identifier`, Anthropic `metadata.user_id`). */
  user?: string
  metadata?: Record<string, string>
  serviceTier?: string
  promptCacheKey?: string
  /**
   * Top-level fields the reader does not know or that have no neutral meaning, by their wire name. A writer of the
   * same dialect never sees them (equal dialects are not translated); a writer of another refuses them by name
   * unless they stand in the documented list of drops (docs/translation.md).
   */
  extra: JsonObject
}

/** Why an answer ended. `pause`: Anthropic `pause_turn`. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'refusal' | 'pause' | 'error'

/**
 * Tokens of one request, in the provider's own figures. `input` and `output` are totals: cached and cache-written
 * tokens are part of `input`, reasoning tokens part of `output` (Anthropic counts input apart: readers add it up).
 */
export interface Usage {
  input: number
  output: number
  /** Input tokens read from the provider's prompt cache. */
  cachedInput?: number
  /** Input tokens written to the provider's prompt cache, all lifetimes together. */
  cacheWriteInput?: number
  /** Of those, the ones kept for an hour (Anthropic `ephemeral_1h_input_tokens`). */
  cacheWrite1hInput?: number
  reasoning?: number
  audioInput?: number
  audioOutput?: number
  /** true: the provider did not tell (an aborted stream), the figures are this service's own estimate. */
  estimated?: boolean
}

/** Per-token log probabilities, in OpenAI chat's shape (`choices[].logprobs.content[]`). */
export interface TokenLogprob {
  token: string
  logprob: number
  bytes: number[] | null
  top_logprobs: { token: string; logprob: number; bytes: number[] | null }[]
}

export interface Choice {
  /** In order; text, refusal, reasoning and tool calls only. */
  parts: (TextPart | RefusalPart | ReasoningPart | ToolCallPart)[]
  finish: FinishReason
  /** The stop sequence that ended it, where the provider says which. */
  stopSequence?: string
  logprobs?: TokenLogprob[]
}

/** A whole answer. */
export interface Answer {
  /** The provider's id of the answer; empty where it has none (a writer then makes one). */
  id: string
  /** The model's name as the provider reports it; empty where it does not. */
  model: string
  /** Unix seconds; absent where the provider does not say. */
  created?: number
  choices: Choice[]
  usage?: Usage
}

/**
 * A streamed answer, event by event. `choice` counts answers (0 unless n > 1). `part` counts parts inside a choice
 * from 0, each opened once by `part`, added to by `delta` and closed by `part_end` before the choice's `finish`.
 * Parts of one choice may interleave (OpenAI's parallel tool calls do); a writer whose wire wants one open part at
 * a time (messages) buffers the later one's deltas.
 */
export type AnswerEvent =
  | { type: 'start'; id: string; model: string; created?: number; usage?: Usage }
  | { type: 'part'; choice: number; part: number; kind: 'text' | 'refusal' }
  | { type: 'part'; choice: number; part: number; kind: 'reasoning'; summary?: boolean; id?: string }
  | { type: 'part'; choice: number; part: number; kind: 'tool_call'; id: string; name: string; signature?: Opaque }
  /** Text of a text, refusal or reasoning part; argument JSON text of a tool call. */
  | { type: 'delta'; choice: number; part: number; text: string; logprobs?: TokenLogprob[] }
  /** A signature or redacted thinking of a reasoning part, or a late signature of a tool call. Once a part. */
  | { type: 'opaque'; choice: number; part: number; signature?: Opaque; redacted?: Opaque }
  | { type: 'part_end'; choice: number; part: number }
  | { type: 'finish'; choice: number; reason: FinishReason; stopSequence?: string }
  /** Final figures; replaces any earlier ones. Comes after every `finish`, before `end`. */
  | { type: 'usage'; usage: Usage }
  /** The provider reported an error inside the stream, or the stream broke: nothing follows but `end`. */
  | { type: 'error'; error: { status: number; code: string; message: string } }
  | { type: 'end' }

/**
 * Joins neighbouring turns of one role into one, parts in order.
 * For wires that want user and assistant to alternate (messages, gemini, converse).
 */
export function mergeTurns(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = []
  for (const turn of turns) {
    const last = merged.at(-1)
    if (last && last.role === turn.role) last.parts.push(...turn.parts)
    else merged.push({ ...turn, parts: [...turn.parts] })
  }
  return merged
}

/**
 * The function name of each tool call in the conversation, by call id, for wires that name the function in the
 * result as well (gemini).
 */
export function toolNamesById(turns: readonly Turn[]): Map<string, string> {
  const names = new Map<string, string>()
  for (const turn of turns) for (const part of turn.parts) if (part.type === 'tool_call') names.set(part.id, part.name)
  return names
}
