import { createHash } from 'node:crypto'
import type { Conversation, JsonObject, OutputFormat, Part } from '../../conversation.ts'
import { type ProviderDialect, type RequestContext, settleExtra } from '../../dialect.ts'
import { definedOnly } from '../../fields.ts'
import { limitMarkers } from './cache-control.ts'
import { writeSampling } from './sampling.ts'
import { thinkingConfig } from './thinking-config.ts'
import { writeMessages } from './write-messages.ts'
import { writeTools } from './write-tools.ts'

/** @see ProviderDialect.drops */
export const drops: ProviderDialect['drops'] = {
  safety_identifier: "The API has one field for the end user, and the client's other one goes there.",
  metadata: "Metadata is for the provider's own records; of it, the Messages API has a place for the end user only.",
  store: 'Anthropic does not keep answers for later retrieval.',
  truncation: 'The Messages API shortens no conversation; one that is too long is refused and says so.',
  serviceTier: "A tier of another provider's that Anthropic does not sell.",
  promptCacheKey: 'Anthropic finds cached prompts by their beginnings.',
  prompt_cache_retention: 'Anthropic keeps cached prompts for as long as their cache markers say.',
  prompt_cache_options: 'Anthropic keeps cached prompts for as long as their cache markers say.',
  seed: 'The Messages API has no seed; even where there is one, it promises an effort, not equal answers.',
  cache: 'The API takes four cache markers and none on a blank text; of more, the last four stay.',
  verbosity: 'A hint of style that the Messages API has no field for.',
  'turn.name': "The Messages API's messages have roles only, no participants' names.",
  'image.detail': 'Claude chooses the resolution of images itself.',
  reasoning:
    'Claude before 4.6 cannot begin to think between a call and its results, where another model made the call or its thinking is lost; it answers without thinking, and thinks again on the next turn.',
  'reasoning.effort': 'Asked for no thinking, models that cannot stop think at their lowest setting.',
  'reasoning.summary': 'Only Claude since 4.7 is told whether to show its thinking; earlier models always show it.',
}

/** @see ProviderDialect.writeRequest; the body of `POST /v1/messages`. */
export function writeRequest(conversation: Conversation, context: RequestContext): JsonObject {
  settleExtra(conversation.extra, drops, context)
  refuseForeign(conversation, context)
  noteDrops(conversation, context)
  const sampling = writeSampling(conversation, context)
  const { thinking, effort, max_tokens } = thinkingConfig(conversation, context)
  const { tools, tool_choice } = writeTools(conversation, context)
  const { system, messages } = writeMessages(conversation, context)
  limitMarkers({ ...(tools && { tools }), ...(system && { system }), messages }, context)
  const { user } = conversation
  return definedOnly<JsonObject>({
    model: context.model,
    max_tokens,
    system,
    messages,
    tools,
    tool_choice,
    thinking,
    output_config: unlessEmpty(definedOnly({ effort, format: outputFormat(conversation.output, context) })),
    ...sampling,
    stop_sequences: stopSequences(conversation.stop, context),
    metadata: user === undefined ? undefined : { user_id: userId(user) },
    service_tier: serviceTier(conversation.serviceTier, context),
    stream: conversation.stream || undefined,
  })
}

/** What the API has no field for, and whose absence the answer would show. */
function refuseForeign(conversation: Conversation, context: RequestContext): void {
  const leaveOut = 'Leave it out or choose another model.'
  if (conversation.n !== undefined && conversation.n !== 1)
    context.refuse('n', 'Claude gives one answer to a request. Ask once for each.')
  if (conversation.logprobs || conversation.topLogprobs)
    context.refuse('logprobs', `Claude tells no log probabilities. ${leaveOut}`)
  if (conversation.presencePenalty) context.refuse('presence_penalty', `Claude has no presence penalty. ${leaveOut}`)
  if (conversation.frequencyPenalty) context.refuse('frequency_penalty', `Claude has no frequency penalty. ${leaveOut}`)
  if (conversation.logitBias && Object.keys(conversation.logitBias).length > 0)
    context.refuse('logit_bias', `Claude cannot weigh single tokens. ${leaveOut}`)
}

function noteDrops(conversation: Conversation, context: RequestContext): void {
  for (const field of ['metadata', 'promptCacheKey', 'verbosity', 'seed'] as const)
    if (conversation[field] !== undefined) context.drop(field)
  if (conversation.turns.some((turn) => turn.name !== undefined)) context.drop('turn.name')
  const parts = conversation.turns.flatMap((turn) => turn.parts).flatMap(withContent)
  if (parts.some((part) => part.type === 'image' && part.detail !== undefined)) context.drop('image.detail')
}

function withContent(part: Part): Part[] {
  return part.type === 'tool_result' ? [part, ...part.content] : [part]
}

/** Answers are held to the schema, so `strict` needs no field; the name is only OpenAI's. */
function outputFormat(output: OutputFormat | undefined, context: RequestContext): JsonObject | undefined {
  if (output === undefined || output.type === 'text') return undefined
  if (output.type === 'json_object')
    context.refuse(
      'response_format',
      'Claude holds answers to JSON by a schema only. Use json_schema with the schema of the answer.',
    )
  const { schema, description } = output
  const described = description !== undefined && schema.description === undefined ? { ...schema, description } : schema
  return { type: 'json_schema', schema: described }
}

function stopSequences(stop: string[] | undefined, context: RequestContext): string[] | undefined {
  if (stop?.some((sequence) => sequence.trim() === ''))
    context.refuse('stop', 'Claude does not stop at white space alone. Use a sequence with other characters in it.')
  return stop?.length ? stop : undefined
}

/**
 * The API takes 256 characters and refuses what looks like a mail address; it asks for a hash of such. The same user
 * stays the same.
 */
function userId(user: string): string {
  return user.length <= 256 && !user.includes('@') ? user : createHash('sha256').update(user).digest('hex')
}

/** OpenAI's `default` is the standard price and speed whatever was bought, as `standard_only` is. */
function serviceTier(tier: string | undefined, context: RequestContext): string | undefined {
  if (tier === undefined || tier === 'auto') return tier
  if (tier === 'standard_only' || tier === 'default') return 'standard_only'
  context.drop('serviceTier')
  return undefined
}

function unlessEmpty<T extends object>(object: T): T | undefined {
  return Object.keys(object).length === 0 ? undefined : object
}
