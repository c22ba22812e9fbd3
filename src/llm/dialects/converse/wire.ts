import type { JsonObject } from '../../conversation.ts'

/**
 * The parts of Bedrock's Converse API that this dialect writes and reads (names as in `@aws-sdk/client-bedrock-runtime`;
 * what the SDK has as bytes is base64 in the JSON). Answers are untrusted, so they are read through the readers below and
 * those of src/llm/fields.ts, and never cast to these types.
 */

export interface ConverseRequest {
  messages: Message[]
  system?: SystemBlock[]
  inferenceConfig?: { maxTokens?: number; temperature?: number; topP?: number; stopSequences?: string[] }
  toolConfig?: ToolConfig
  additionalModelRequestFields?: JsonObject
  additionalModelResponseFieldPaths?: string[]
  outputConfig?: OutputConfig
  requestMetadata?: Record<string, string>
  serviceTier?: { type: string }
  performanceConfig?: JsonObject
  guardrailConfig?: JsonObject
}

export interface Message {
  role: 'user' | 'assistant'
  content: Block[]
}

export interface CachePoint {
  type: 'default'
  /** Five minutes where it is absent. */
  ttl?: '1h'
}

/** Where bytes are: in the request, or in S3. */
export type Source = { bytes: string } | { s3Location: { uri: string } }

export type Block =
  | { text: string }
  | { image: { format: string; source: Source } }
  | { document: { format: string; name: string; source: Source; context?: string } }
  | { audio: { format: string; source: Source } }
  | { toolUse: { toolUseId: string; name: string; input: JsonObject } }
  | { toolResult: { toolUseId: string; content: Block[]; status?: 'error' } }
  | { reasoningContent: { reasoningText: { text: string; signature: string } } | { redactedContent: string } }
  | { cachePoint: CachePoint }

export type SystemBlock = { text: string } | { cachePoint: CachePoint }

export interface ToolConfig {
  tools: ToolEntry[]
  toolChoice?: { auto: JsonObject } | { any: JsonObject } | { tool: { name: string } }
}

export type ToolEntry =
  | { toolSpec: { name: string; description?: string; inputSchema: { json: JsonObject }; strict?: true } }
  | { cachePoint: CachePoint }

export interface OutputConfig {
  textFormat?: {
    type: 'json_schema'
    /** `schema` is JSON text. */
    structure: { jsonSchema: { schema: string; name: string; description?: string } }
  }
  effort?: string
}

/** @returns the value where it is a string, empty or not. */
export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** @returns the value where it is a string that says something. */
export function wordsOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
