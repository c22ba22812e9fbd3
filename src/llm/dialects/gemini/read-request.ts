import type { Conversation, JsonObject } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { definedOnly, isObject, listField, objectField, textField } from '../../fields.ts'
import { readConfig } from './read-config.ts'
import { readTurns } from './read-contents.ts'
import { readTools } from './read-tools.ts'
import { camelFields } from './spelling.ts'

/** Fields of the request that this reader gives a meaning. */
const known = new Set([
  // The path's.
  'model',
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
  'labels',
  'serviceTier',
])

/**
 * Reads the body of `:generateContent` and `:streamGenerateContent`, in either spelling of its fields. Which of the two
 * it is, the path tells, and with it `stream`: here it is false.
 * @see ClientDialect.readRequest
 * @see {@link https://ai.google.dev/api/generate-content}
 */
export function readRequest(wire: JsonObject): Conversation {
  const body = camelFields(wire)
  const { settings, extra } = readConfig(body)
  return definedOnly<Conversation>({
    turns: readTurns(body),
    ...readTools(body),
    ...settings,
    stream: false,
    metadata: readLabels(body),
    serviceTier: readTier(body),
    extra: { ...readExtra(body), ...extra },
  })
}

/** Labels tell requests apart in the provider's own records, as other APIs' metadata does. */
function readLabels(body: JsonObject): Record<string, string> | undefined {
  const labels = objectField(body, 'labels')
  if (labels === undefined) return undefined
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => {
      if (typeof value === 'string') return [name, value]
      throw invalid(`labels.${name}`, `labels.${name} must be a string.`)
    }),
  )
}

/** The standard tier is what other APIs take where no other is named. */
function readTier(body: JsonObject): string | undefined {
  const tier = textField(body, 'serviceTier')
  return tier === 'standard' || tier === 'unspecified' ? undefined : tier
}

function readExtra(body: JsonObject): JsonObject {
  listField(body, 'safetySettings')
  return Object.fromEntries(
    Object.entries(body).filter(
      ([field, value]) => !known.has(field) && (value ?? undefined) !== undefined && !saysNothing(field, value),
    ),
  )
}

/** Thresholds of Google's own filter that let everything pass: what other providers' models do without it. */
const openThresholds: readonly unknown[] = ['BLOCK_NONE', 'OFF']

/** Whether a field only says what is so anyway with a provider that is not Google. */
function saysNothing(field: string, value: unknown): boolean {
  if (field !== 'safetySettings' || !Array.isArray(value)) return false
  return value.every((setting) => isObject(setting) && openThresholds.includes(setting.threshold))
}
