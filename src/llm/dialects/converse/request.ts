import type { Conversation, JsonObject, OutputFormat, Part } from '../../conversation.ts'
import { type ProviderDialect, type RequestContext, settleExtra } from '../../dialect.ts'
import { invalid } from '../../errors.ts'
import { definedOnly, isObject } from '../../fields.ts'
import { writeMessages } from './messages.ts'
import { bedrockModel } from './model.ts'
import { thinkingFields } from './thinking.ts'
import { writeTools } from './tools.ts'
import type { ConverseRequest, OutputConfig } from './wire.ts'

/** @see ProviderDialect.drops */
export const drops: ProviderDialect['drops'] = {
  user: 'Converse has no field for the end user.',
  safety_identifier: 'Converse has no field for the end user.',
  metadata: 'Of the pairs, those that Bedrock would refuse for their number, length or characters are left out.',
  store: 'Bedrock does not keep answers for later retrieval.',
  truncation: 'Converse shortens no conversation; one that is too long is refused and says so.',
  serviceTier: "A tier of another provider's that Bedrock does not sell.",
  promptCacheKey: 'Bedrock finds cached prompts by their beginnings.',
  prompt_cache_retention: 'Bedrock keeps cached prompts for as long as their cache points say.',
  prompt_cache_options: 'Bedrock keeps cached prompts for as long as their cache points say.',
  seed: 'Converse has no seed; even where there is one, it promises an effort, not equal answers.',
  cache: 'The model cannot be told what to cache: on Bedrock, Claude since 3.5 can, and Nova except for its tools.',
  'cache.ttl': 'On Bedrock only Claude since 4.5 caches for an hour; others keep the same prefix for five minutes.',
  verbosity: 'A hint of style that Converse has no field for.',
  'turn.name': "Converse's messages have roles only, no participants' names.",
  'image.detail': 'The models on Bedrock choose the resolution of images themselves.',
  'tool_result.is_error':
    "On Bedrock only Claude and Nova know a mark for a failed call; the result's own text says what happened.",
  reasoning:
    'Claude before 4.6 cannot begin to think between a call and its results, where another model made the call or its thinking is lost; it answers without thinking, and thinks again on the next turn.',
  'reasoning.effort': 'Asked for no thinking, models that cannot stop think at their lowest setting.',
  'reasoning.summary':
    'On Bedrock only Claude since 4.7 can be told whether to show its thinking; other models do as they always do.',
}

/** Converse's own settings that a client of any API may send by their own names. */
const own = ['guardrailConfig', 'performanceConfig'] as const

/** @see ProviderDialect.writeRequest; the body of `/model/ID/converse` and `/model/ID/converse-stream`. */
export function writeRequest(conversation: Conversation, context: RequestContext): JsonObject {
  const { extra } = conversation
  settleExtra(Object.fromEntries(Object.entries(extra).filter(([key]) => !isOwn(key))), drops, context)
  refuseForeign(conversation, context)
  noteDrops(conversation, context)
  const { toolConfig, modelFields: toolFields } = writeTools(conversation, context)
  const { effort, modelFields: thinking } = thinkingFields(conversation, context)
  const modelFields = { ...topK(conversation, context), ...thinking, ...toolFields }
  const request = definedOnly<ConverseRequest>({
    ...writeMessages(conversation, context),
    inferenceConfig: inferenceConfig(conversation),
    toolConfig,
    additionalModelRequestFields: unlessEmpty(modelFields),
    // Bedrock says that a stop sequence ended the answer, not which: that is Claude's field, ignored elsewhere.
    additionalModelResponseFieldPaths: conversation.stop?.length ? ['/stop_sequence'] : undefined,
    outputConfig: unlessEmpty(definedOnly<OutputConfig>({ ...outputFormat(conversation.output, context), effort })),
    requestMetadata: requestMetadata(conversation.metadata, context),
    serviceTier: serviceTier(conversation.serviceTier, context),
    guardrailConfig: ownObject(extra, 'guardrailConfig'),
    performanceConfig: ownObject(extra, 'performanceConfig'),
  })
  return { ...request }
}

function isOwn(key: string): boolean {
  return own.some((name) => name === key)
}

function ownObject(extra: JsonObject, key: (typeof own)[number]): JsonObject | undefined {
  const value = extra[key]
  if (value === undefined || isObject(value)) return value
  throw invalid(key, `${key} must be an object, as Bedrock's Converse API has it.`)
}

/** What Converse has no field for, and whose absence the answer would show. */
function refuseForeign(conversation: Conversation, context: RequestContext): void {
  const leaveOut = 'Leave it out or choose another model.'
  if (conversation.n !== undefined && conversation.n !== 1)
    context.refuse('n', 'Bedrock gives one answer to a request. Ask once for each.')
  if (conversation.logprobs || conversation.topLogprobs)
    context.refuse('logprobs', `Bedrock tells no log probabilities. ${leaveOut}`)
  if (conversation.presencePenalty) context.refuse('presence_penalty', `Bedrock has no presence penalty. ${leaveOut}`)
  if (conversation.frequencyPenalty)
    context.refuse('frequency_penalty', `Bedrock has no frequency penalty. ${leaveOut}`)
  if (conversation.logitBias && Object.keys(conversation.logitBias).length > 0)
    context.refuse('logit_bias', `Bedrock cannot weigh single tokens. ${leaveOut}`)
}

function noteDrops(conversation: Conversation, context: RequestContext): void {
  for (const field of ['user', 'promptCacheKey', 'verbosity', 'seed'] as const)
    if (conversation[field] !== undefined) context.drop(field)
  if (conversation.turns.some((turn) => turn.name !== undefined)) context.drop('turn.name')
  const parts = conversation.turns.flatMap((turn) => turn.parts).flatMap(withContent)
  if (parts.some((part) => part.type === 'image' && part.detail !== undefined)) context.drop('image.detail')
}

function withContent(part: Part): Part[] {
  return part.type === 'tool_result' ? [part, ...part.content] : [part]
}

function inferenceConfig({ maxTokens, temperature, topP, stop }: Conversation): ConverseRequest['inferenceConfig'] {
  return unlessEmpty(
    definedOnly<NonNullable<ConverseRequest['inferenceConfig']>>({
      maxTokens,
      temperature,
      topP,
      stopSequences: stop?.length ? stop : undefined,
    }),
  )
}

/** Not among Converse's own parameters: every maker has it in another place. */
function topK({ topK }: Conversation, context: RequestContext): JsonObject {
  if (topK === undefined) return {}
  switch (bedrockModel(context.model).family) {
    case 'nova':
      return { inferenceConfig: { topK } }
    case 'cohere':
      return { k: topK }
    default:
      return { top_k: topK }
  }
}

function outputFormat(output: OutputFormat | undefined, context: RequestContext): OutputConfig {
  if (output === undefined || output.type === 'text') return {}
  if (output.type === 'json_object')
    context.refuse(
      'response_format',
      'Bedrock holds answers to JSON by a schema only. Use json_schema with the schema of the answer.',
    )
  const { name, description, schema } = output
  const jsonSchema = { schema: JSON.stringify(schema), name, ...(description !== undefined && { description }) }
  return { textFormat: { type: 'json_schema', structure: { jsonSchema } } }
}

/** Bedrock's limits for `requestMetadata`: 16 pairs of up to 256 of these characters, the key not empty. */
const metadataText = /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/

function requestMetadata(
  metadata: Conversation['metadata'],
  context: RequestContext,
): Record<string, string> | undefined {
  if (metadata === undefined) return undefined
  const pairs = Object.entries(metadata)
  const taken = pairs
    .filter(([key, value]) => key !== '' && metadataText.test(key) && metadataText.test(value))
    .slice(0, 16)
  if (taken.length < pairs.length) context.drop('metadata')
  return unlessEmpty(Object.fromEntries(taken))
}

const tiers = ['default', 'flex', 'priority', 'reserved']

/** OpenAI's `auto` is as if nothing were said; Anthropic's `standard_only` is Bedrock's `default`. */
function serviceTier(tier: string | undefined, context: RequestContext): ConverseRequest['serviceTier'] {
  if (tier === undefined || tier === 'auto') return undefined
  if (tier === 'standard_only') return { type: 'default' }
  if (tiers.includes(tier)) return { type: tier }
  context.drop('serviceTier')
  return undefined
}

function unlessEmpty<T extends object>(object: T): T | undefined {
  return Object.keys(object).length === 0 ? undefined : object
}
