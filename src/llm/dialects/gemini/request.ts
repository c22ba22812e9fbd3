import type { Conversation, JsonObject, OutputFormat, Part } from '../../conversation.ts'
import { type ProviderDialect, type RequestContext, settleExtra } from '../../dialect.ts'
import { writeContents } from './contents.ts'
import { thinkingConfig } from './thinking.ts'
import { writeTools } from './tools.ts'
import type { GenerationConfig } from './wire.ts'

/** See ProviderDialect.drops. */
export const drops: ProviderDialect['drops'] = {
  user: 'generateContent has no field for the end user.',
  safety_identifier: 'generateContent has no field for the end user.',
  metadata: "Metadata is for the provider's own records; the Gemini API has no such field.",
  store: 'Google does not keep answers for later retrieval.',
  truncation: 'The Gemini API shortens no conversation; one that is too long is refused and says so.',
  serviceTier: 'Tiers are bought and chosen per project at Google.',
  promptCacheKey: 'Gemini caches prompts by itself, by their beginnings.',
  prompt_cache_retention: 'Gemini caches prompts by itself, for as long as it sees fit.',
  prompt_cache_options: 'Gemini caches prompts by itself, for as long as it sees fit.',
  cache: 'Gemini caches prompts by itself, by their beginnings, without markers.',
  verbosity: 'A hint of style that Gemini has no field for.',
  'turn.name': "Gemini's contents know roles only, not participants' names.",
  'image.detail': 'Gemini chooses the resolution of images itself.',
  'document.name': "Gemini reads a document's content, not its file name.",
  'reasoning.effort':
    'Asked for no thinking, models that cannot stop (Gemini 3 and later, 2.5 Pro) think at their lowest setting.',
}

/** @see ProviderDialect.writeRequest; the body of `:generateContent` and `:streamGenerateContent?alt=sse`. */
export function writeRequest(conversation: Conversation, context: RequestContext): JsonObject {
  settleExtra(conversation.extra, drops, context)
  noteDrops(conversation, context)
  const config = generationConfig(conversation, context)
  return {
    ...writeContents(conversation, context),
    ...writeTools(conversation, context),
    ...(Object.keys(config).length > 0 && { generationConfig: config }),
  }
}

function noteDrops(conversation: Conversation, context: RequestContext): void {
  for (const field of ['user', 'metadata', 'serviceTier', 'promptCacheKey', 'verbosity'] as const)
    if (conversation[field] !== undefined) context.drop(field)
  const parts = conversation.turns.flatMap((turn) => turn.parts).flatMap(withContent)
  if (conversation.turns.some((turn) => turn.name !== undefined)) context.drop('turn.name')
  if (parts.some((part) => part.type === 'image' && part.detail !== undefined)) context.drop('image.detail')
  if (parts.some((part) => part.type === 'document' && part.name !== undefined)) context.drop('document.name')
  if ([...parts, ...conversation.tools].some((item) => 'cache' in item && item.cache !== undefined))
    context.drop('cache')
}

function withContent(part: Part): Part[] {
  return part.type === 'tool_result' ? [part, ...part.content] : [part]
}

function generationConfig(conversation: Conversation, context: RequestContext): GenerationConfig {
  if (conversation.logitBias !== undefined)
    context.refuse('logit_bias', 'Gemini cannot weigh single tokens. Leave the field out.')
  const thinking = conversation.reasoning && thinkingConfig(conversation.reasoning, context)
  return definedOnly<GenerationConfig>({
    candidateCount: conversation.n === 1 ? undefined : conversation.n,
    maxOutputTokens: conversation.maxTokens,
    temperature: conversation.temperature,
    topP: conversation.topP,
    topK: conversation.topK,
    seed: conversation.seed,
    stopSequences: conversation.stop,
    presencePenalty: conversation.presencePenalty,
    frequencyPenalty: conversation.frequencyPenalty,
    responseLogprobs: conversation.logprobs || undefined,
    logprobs: conversation.logprobs ? conversation.topLogprobs : undefined,
    ...outputFields(conversation.output),
    thinkingConfig: thinking,
  })
}

/** Answers are held to a schema by the API itself, so OpenAI's `strict` needs no field. */
function outputFields(output: OutputFormat | undefined): GenerationConfig {
  if (output === undefined || output.type === 'text') return {}
  if (output.type === 'json_object') return { responseMimeType: 'application/json' }
  const { schema, description } = output
  return {
    responseMimeType: 'application/json',
    responseJsonSchema:
      description !== undefined && schema.description === undefined ? { ...schema, description } : schema,
  }
}

function definedOnly<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}
