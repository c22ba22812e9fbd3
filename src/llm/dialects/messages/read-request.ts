import type { CacheMarker, Conversation, JsonObject, OutputFormat, Reasoning, Turn } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import {
  booleanField,
  countField,
  definedOnly,
  isObject,
  listField,
  numberField,
  objectField,
  objectsOf,
  requiredText,
  textField,
  textOf,
  wordField,
} from '../../fields.ts'
import { meetsStrictRules } from '../responses/strict.ts'
import { readCache } from './read-content.ts'
import { readTurns } from './read-messages.ts'
import { readToolChoice, readTools } from './read-tools.ts'

/** Fields of the request that this reader gives a meaning, or that mean nothing more once it has been read. */
const known = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'tools',
  'tool_choice',
  'stop_sequences',
  'temperature',
  'top_p',
  'top_k',
  'metadata',
  'service_tier',
  'thinking',
  'output_config',
  'stream',
  'cache_control',
  // Asks Anthropic why its cache missed; `diagnostics: null` in the answer says that nothing is known of it.
  'diagnostics',
])

/**
 * Reads the body of `POST /v1/messages`.
 * @see ClientDialect.readRequest
 * @see {@link https://platform.claude.com/docs/en/api/messages/create}
 */
export function readRequest(body: JsonObject): Conversation {
  const maxTokens = countField(body, 'max_tokens', 1)
  if (maxTokens === undefined) throw invalid('max_tokens', 'max_tokens is required.')
  return { ...readPrompt(body), maxTokens, stream: booleanField(body, 'stream') ?? false }
}

/**
 * Reads what requests for an answer and for a count have in common.
 * @throws {ApiError} 400 as readRequest does, but for `max_tokens` and `stream`
 */
export function readPrompt(body: JsonObject): Conversation {
  const metadata = objectField(body, 'metadata')
  return definedOnly<Conversation>({
    turns: cached(readTurns(body), readCache(body, '')),
    tools: readTools(body),
    ...readToolChoice(body),
    output: readFormat(body),
    temperature: numberField(body, 'temperature'),
    topP: numberField(body, 'top_p'),
    topK: countField(body, 'top_k', 0),
    stop: readStop(body),
    reasoning: readReasoning(body),
    stream: false,
    user: metadata && textField(metadata, 'user_id', 'metadata'),
    serviceTier: textField(body, 'service_tier'),
    extra: readExtra(body),
  })
}

/** The request's own `cache_control` marks the last block that can be cached, unless that has a marker of its own. */
function cached(turns: Turn[], cache: CacheMarker | undefined): Turn[] {
  if (cache === undefined) return turns
  for (const { parts } of turns.toReversed()) {
    const last = parts.findLast((part) => part.type !== 'reasoning' && part.type !== 'refusal' && part.type !== 'audio')
    if (last === undefined) continue
    last.cache ??= cache
    break
  }
  return turns
}

function readStop(body: JsonObject): string[] | undefined {
  return listField(body, 'stop_sequences')?.map((value, index) => {
    if (typeof value === 'string') return value
    throw invalid(`stop_sequences[${index}]`, `stop_sequences[${index}] must be a string.`)
  })
}

/**
 * Anthropic holds the model to the schema. OpenAI does so for fewer schemas (all properties required); where that
 * would only be refused, the model is shown the schema all the same.
 */
function readFormat(body: JsonObject): OutputFormat | undefined {
  const config = objectField(body, 'output_config')
  const format = config && objectField(config, 'format', 'output_config')
  if (format === undefined) return undefined
  const path = 'output_config.format'
  if (requiredText(format, 'type', path) !== 'json_schema')
    throw invalid(`${path}.type`, `${path}.type must be json_schema.`)
  const schema = objectField(format, 'schema', path)
  if (schema === undefined) throw invalid(`${path}.schema`, `${path}.schema is required.`)
  return { type: 'json_schema', name: 'answer', schema, ...(meetsStrictRules(schema) && { strict: true }) }
}

const efforts = ['low', 'medium', 'high', 'xhigh', 'max'] as const

/**
 * Reads `thinking` and `output_config.effort`. The effort of a request that switches thinking off is about the length
 * of the answer only, for which other APIs have no word: off is off.
 */
function readReasoning(body: JsonObject): Reasoning | undefined {
  const config = objectField(body, 'output_config')
  const effort = config && wordField(config, 'effort', efforts, 'output_config')
  const reasoning = definedOnly<Reasoning>({ effort, ...readThinkingConfig(body) })
  return Object.keys(reasoning).length === 0 ? undefined : reasoning
}

function readThinkingConfig(body: JsonObject): Reasoning {
  const thinking = objectField(body, 'thinking')
  if (thinking === undefined) return {}
  const type = requiredText(thinking, 'type', 'thinking')
  switch (type) {
    case 'disabled':
    // What the models that cannot be disabled have instead: no thinking ahead of the answer.
    case 'between_tools':
      return { effort: 'none' }
    case 'adaptive':
      return { adaptive: true, ...readDisplay(thinking) }
    case 'enabled':
      return { budget: readBudget(thinking), ...readDisplay(thinking) }
    default:
      throw invalid('thinking.type', 'thinking.type must be one of enabled, adaptive, disabled, between_tools.')
  }
}

function readBudget(thinking: JsonObject): number {
  const budget = numberField(thinking, 'budget_tokens', 'thinking')
  if (budget !== undefined && Number.isInteger(budget) && budget > 0) return budget
  throw invalid('thinking.budget_tokens', 'thinking.budget_tokens must be a whole number of tokens.')
}

function readDisplay(thinking: JsonObject): Reasoning {
  const display = wordField(thinking, 'display', ['summarized', 'omitted'], 'thinking')
  if (display === undefined) return {}
  return { summary: display === 'summarized' ? 'auto' : 'none' }
}

function readExtra(body: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(body).filter(
      ([field, value]) => !known.has(field) && (value ?? undefined) !== undefined && !saysNothing(field, value),
    ),
  )
}

/** Whether a field only says what is so anyway with a provider that is not Anthropic. */
function saysNothing(field: string, value: unknown): boolean {
  if (field === 'speed') return value === 'standard'
  // Clearing old thinking is left to the provider that made it; clearing anything else changes the prompt.
  if (field === 'context_management')
    return isObject(value) && objectsOf(value.edits).every(({ type }) => textOf(type).startsWith('clear_thinking_'))
  return false
}
