import type { Conversation, JsonObject, OutputFormat, Reasoning } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import {
  at,
  booleanField,
  definedOnly,
  listField,
  numberField,
  objectField,
  textField,
  unsupported,
  wordField,
} from '../../fields.ts'
import { meetsStrictRules } from '../responses/strict.ts'
import { readSchema } from './schema.ts'
import { camelFields } from './spelling.ts'

const path = 'generationConfig'

/** Fields of the configuration that this reader gives a meaning. */
const known = new Set([
  'candidateCount',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'stopSequences',
  'presencePenalty',
  'frequencyPenalty',
  'responseLogprobs',
  'logprobs',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'thinkingConfig',
])

type Settings = Pick<
  Conversation,
  | 'n'
  | 'maxTokens'
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'seed'
  | 'stop'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'logprobs'
  | 'topLogprobs'
  | 'output'
  | 'reasoning'
>

/**
 * Reads `generationConfig`. Fields without a neutral place are left in `extra` as `generationConfig.NAME`.
 * @throws {ApiError} 400 naming the field
 * @see {@link https://ai.google.dev/api/generate-content#generationconfig}
 */
export function readConfig(body: JsonObject): { settings: Settings; extra: JsonObject } {
  const field = objectField(body, path)
  if (field === undefined) return { settings: {}, extra: {} }
  const config = camelFields(field)
  const settings = definedOnly<Settings>({
    n: count(config, 'candidateCount', 1),
    maxTokens: count(config, 'maxOutputTokens', 1),
    temperature: numberField(config, 'temperature', path),
    topP: numberField(config, 'topP', path),
    topK: count(config, 'topK', 0),
    seed: numberField(config, 'seed', path),
    stop: readStop(config),
    presencePenalty: numberField(config, 'presencePenalty', path),
    frequencyPenalty: numberField(config, 'frequencyPenalty', path),
    logprobs: booleanField(config, 'responseLogprobs', path),
    topLogprobs: count(config, 'logprobs', 0),
    output: readOutput(config),
    reasoning: readReasoning(config),
  })
  return { settings, extra: readExtra(config) }
}

function count(config: JsonObject, key: string, least: number): number | undefined {
  const value = numberField(config, key, path)
  if (value === undefined || (Number.isInteger(value) && value >= least)) return value
  throw invalid(at(path, key), `${at(path, key)} must be a whole number of at least ${least}.`)
}

function readStop(config: JsonObject): string[] | undefined {
  return listField(config, 'stopSequences', path)?.map((value, index) => {
    if (typeof value === 'string') return value
    const place = `${at(path, 'stopSequences')}[${index}]`
    throw invalid(place, `${place} must be a string.`)
  })
}

/**
 * Google holds the model to the schema and, as its own `Schema` can say nothing else, to the properties named there.
 * OpenAI does so for fewer schemas (all properties required); where that would only be refused, the model is shown
 * the schema all the same.
 */
function readOutput(config: JsonObject): OutputFormat | undefined {
  const mimeType = textField(config, 'responseMimeType', path)
  const schema = readOutputSchema(config)
  if (mimeType !== undefined && mimeType !== 'text/plain' && mimeType !== 'application/json')
    throw unsupported(
      at(path, 'responseMimeType'),
      `${at(path, 'responseMimeType')}: the provider behind this model answers in text/plain or application/json, not in ${mimeType.slice(0, 60)}.`,
    )
  if (schema === undefined)
    return mimeType === undefined ? undefined : { type: mimeType === 'application/json' ? 'json_object' : 'text' }
  if (mimeType !== 'application/json')
    throw invalid(
      at(path, 'responseMimeType'),
      `${at(path, 'responseMimeType')} must be application/json where the answer is to have a schema.`,
    )
  return { type: 'json_schema', name: 'answer', schema, ...(meetsStrictRules(schema) && { strict: true }) }
}

function readOutputSchema(config: JsonObject): JsonObject | undefined {
  const schema = objectField(config, 'responseSchema', path)
  if (schema) return readSchema(schema, at(path, 'responseSchema'), true)
  return objectField(config, 'responseJsonSchema', path)
}

const levels = ['THINKING_LEVEL_UNSPECIFIED', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH'] as const

const efforts: Record<(typeof levels)[number], Reasoning['effort']> = {
  THINKING_LEVEL_UNSPECIFIED: undefined,
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
}

/**
 * Reads `thinkingConfig`. A budget of 0 switches thinking off, one of -1 leaves it to the model. Thoughts are shown
 * only where the client says so.
 */
function readReasoning(config: JsonObject): Reasoning | undefined {
  const field = objectField(config, 'thinkingConfig', path)
  if (field === undefined) return undefined
  const thinking = camelFields(field)
  const inner = at(path, 'thinkingConfig')
  const level = wordField(thinking, 'thinkingLevel', levels, inner)
  const budget = readBudget(thinking, inner)
  if (budget === 0) return { effort: 'none' }
  const shown = booleanField(thinking, 'includeThoughts', inner)
  if (level === undefined && budget === undefined && shown === undefined) return undefined
  return definedOnly<Reasoning>({
    effort: level && efforts[level],
    budget: budget === -1 ? undefined : budget,
    adaptive: budget === -1 || undefined,
    summary: shown ? 'auto' : 'none',
  })
}

function readBudget(thinking: JsonObject, inner: string): number | undefined {
  const budget = numberField(thinking, 'thinkingBudget', inner)
  if (budget === undefined || (Number.isInteger(budget) && budget >= -1)) return budget
  const place = at(inner, 'thinkingBudget')
  throw invalid(place, `${place} must be a whole number of tokens, 0 for no thinking, or -1 to leave it to the model.`)
}

function readExtra(config: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(config)
      .filter(([field, value]) => !known.has(field) && !saysNothing(field, value))
      .map(([field, value]) => [at(path, field), value]),
  )
}

/** Whether a field asks for nothing that is not so anyway. */
function saysNothing(field: string, value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  return field === 'responseModalities' && Array.isArray(value) && value.every((modality) => modality === 'TEXT')
}
