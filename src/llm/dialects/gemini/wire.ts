import { createHash } from 'node:crypto'
import type { JsonObject } from '../../conversation.ts'

/**
 * The parts of Google's generateContent wire format that this dialect writes and reads, one and the same for the
 * Gemini API and Vertex AI (field names as in `@google/genai`'s types). Answers are untrusted, so they are read
 * through the small readers below and never cast to these types.
 */

export interface Content {
  role?: 'user' | 'model'
  parts: Part[]
}

export interface Part {
  text?: string
  /** The text is a summary of the model's thinking. */
  thought?: boolean
  /** Proof of thinking, base64. Goes back on the very part it came on. */
  thoughtSignature?: string
  inlineData?: Blob
  fileData?: FileData
  functionCall?: { id?: string; name: string; args: JsonObject }
  functionResponse?: FunctionResponse
}

export interface Blob {
  mimeType: string
  data: string
}

export interface FileData {
  fileUri: string
  mimeType?: string
}

export interface FunctionResponse {
  id: string
  name: string
  /** `output` and `error` are the keys the API gives a meaning. */
  response: { output: string } | { error: string }
  /** Images and documents of the result; Gemini 3 and later. */
  parts?: { inlineData?: Blob; fileData?: FileData }[]
}

export interface FunctionDeclaration {
  name: string
  description?: string
  parametersJsonSchema?: JsonObject
}

export interface FunctionCallingConfig {
  mode: 'AUTO' | 'ANY' | 'NONE' | 'VALIDATED'
  allowedFunctionNames?: string[]
}

export interface ThinkingConfig {
  includeThoughts?: boolean
  thinkingBudget?: number
  thinkingLevel?: 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH'
}

export interface GenerationConfig {
  candidateCount?: number
  maxOutputTokens?: number
  temperature?: number
  topP?: number
  topK?: number
  seed?: number
  stopSequences?: string[]
  presencePenalty?: number
  frequencyPenalty?: number
  responseLogprobs?: boolean
  logprobs?: number
  responseMimeType?: string
  responseJsonSchema?: JsonObject
  thinkingConfig?: ThinkingConfig
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @returns the value where it is an object, else an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** @returns the objects of an array, anything else left out. */
export function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** @returns the value where it is a string that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** @returns a count; Google's JSON leaves zeros out. */
export function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
}

/** @returns Unix seconds of an RFC 3339 time (`createTime`, sent by Vertex AI only). */
export function secondsOf(value: unknown): number | undefined {
  const milliseconds = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000)
}

/** A function call of an answer, as far as its id depends on it. */
export interface CallPlace {
  responseId: string
  choice: number
  /** How many calls stand before it in its choice. */
  ordinal: number
  name: string
  arguments: string
}

/**
 * An id for a function call that came without one (Gemini 2.5 and earlier send none). Made from what the call is and
 * where it stands, so that the same answer, streamed or whole, read once or twice, gives the same ids.
 */
export function callId(place: CallPlace): string {
  const text = [place.responseId, place.choice, place.ordinal, place.name, place.arguments].join('\n')
  return `call_${createHash('sha256').update(text).digest('base64url').slice(0, 24)}`
}
