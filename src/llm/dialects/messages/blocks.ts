import type { JsonObject } from '../../conversation.ts'

/**
 * The parts of the Messages API's request that this dialect writes (names as in `@anthropic-ai/sdk`,
 * resources/messages/messages.d.ts).
 */

export interface CacheControl {
  type: 'ephemeral'
  /** Five minutes where it is absent. */
  ttl?: '1h'
}

export interface Cacheable {
  cache_control?: CacheControl
}

export interface TextBlock extends Cacheable {
  type: 'text'
  text: string
}

/** Content that is not in the request: behind a URL, or uploaded before. */
type Elsewhere = { type: 'url'; url: string } | { type: 'file'; file_id: string }

export const imageTypes = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const

export type ImageSource = Elsewhere | { type: 'base64'; media_type: (typeof imageTypes)[number]; data: string }

export type DocumentSource =
  | Elsewhere
  | { type: 'base64'; media_type: 'application/pdf'; data: string }
  | { type: 'text'; media_type: 'text/plain'; data: string }

export interface ImageBlock extends Cacheable {
  type: 'image'
  source: ImageSource
}

export interface DocumentBlock extends Cacheable {
  type: 'document'
  source: DocumentSource
  title?: string
  context?: string
  citations?: { enabled: boolean }
}

export interface ToolUseBlock extends Cacheable {
  type: 'tool_use'
  id: string
  name: string
  input: JsonObject
}

export interface ToolResultBlock extends Cacheable {
  type: 'tool_result'
  tool_use_id: string
  content?: (TextBlock | ImageBlock | DocumentBlock)[]
  is_error?: true
}

/** Thinking takes no cache marker of its own. */
export type ThinkingBlock =
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'redacted_thinking'; data: string }

export type Block = TextBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock

export interface Message {
  role: 'user' | 'assistant'
  content: Block[]
}

export interface ToolEntry extends Cacheable {
  name: string
  description?: string
  input_schema: JsonObject & { type: 'object' }
  strict?: true
}

export type ToolChoice =
  | { type: 'auto' | 'any'; disable_parallel_tool_use?: true }
  | { type: 'tool'; name: string; disable_parallel_tool_use?: true }
  | { type: 'none' }
