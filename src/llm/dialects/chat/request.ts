import type { Conversation, JsonObject, OutputFormat, Reasoning } from '../../conversation.ts'
import { type ProviderDialect, type RequestContext, settleExtra } from '../../dialect.ts'
import { invalid } from '../../errors.ts'
import {
  booleanField,
  countField,
  definedOnly,
  isOneOf,
  numberField,
  objectField,
  requiredText,
  textField,
  wordField,
} from '../../fields.ts'
import { budgetToEffort } from '../../reasoning.ts'
import { cacheReader } from './cache.ts'
import { readMessages } from './messages.ts'
import { readToolChoice, readTools, usesFunctions, writeTools } from './tools.ts'
import { nestedCount, requiredObject } from './wire.ts'
import { writeMessages } from './write-messages.ts'

/** @see ProviderDialect.drops */
export const drops: ProviderDialect['drops'] = {
  store: 'Stored answers could not be found again through the API that the client speaks.',
  truncation: 'The chat API shortens no conversation; one that is too long is refused and says so.',
  metadata: 'The chat API takes metadata only for answers that it stores, and translated ones are not.',
  cache: 'OpenAI and servers alike cache prompts by themselves, by their beginnings, without markers.',
  serviceTier: "A tier of another provider's that this API does not know.",
  'reasoning.summary': 'The chat API shows what thinking its server shows, without a choice of its form.',
  'reasoning.effort': 'Asked for no thinking, a model that does not think needs no setting.',
  'document.name': 'The chat API takes a name for inline files only, not for file ids and plain text.',
  'tool_result.is_error': "The chat API has no mark for a failed call; the result's own text says what happened.",
}

/** Fields of the Responses API, as its reader leaves them, that mean the same here. */
const shared = ['prompt_cache_retention', 'prompt_cache_options', 'moderation'] as const

const tiers = ['auto', 'default', 'flex', 'scale', 'priority'] as const
const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

/** Fields of the request that this reader gives a meaning, or that mean nothing more once it has been read. */
const known = new Set([
  'model',
  'messages',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'functions',
  'function_call',
  'response_format',
  'max_completion_tokens',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'seed',
  'stop',
  'n',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'verbosity',
  'stream',
  // `include_usage` is the answer writer's to see; `include_obfuscation` is padding, no part of the answer.
  'stream_options',
  'user',
  'safety_identifier',
  'metadata',
  'service_tier',
  'prompt_cache_key',
])

/** @see ClientDialect.readRequest; the body of `POST /v1/chat/completions`. */
export function readRequest(body: JsonObject): Conversation {
  const cache = cacheReader(body)
  objectField(body, 'stream_options')
  return definedOnly<Conversation>({
    turns: readMessages(body, cache),
    tools: readTools(body, cache),
    toolChoice: readToolChoice(body),
    // The deprecated API has room for one call in an answer.
    parallelToolCalls: booleanField(body, 'parallel_tool_calls') ?? (usesFunctions(body) ? false : undefined),
    output: readFormat(body),
    maxTokens: countField(body, 'max_completion_tokens', 1) ?? countField(body, 'max_tokens', 1),
    ...readSampling(body),
    n: countField(body, 'n', 1),
    logprobs: booleanField(body, 'logprobs'),
    topLogprobs: countField(body, 'top_logprobs', 0),
    reasoning: readReasoning(body),
    verbosity: textField(body, 'verbosity'),
    stream: booleanField(body, 'stream') ?? false,
    user: textField(body, 'safety_identifier') ?? textField(body, 'user'),
    metadata: readMetadata(body),
    serviceTier: textField(body, 'service_tier'),
    promptCacheKey: textField(body, 'prompt_cache_key'),
    extra: readExtra(body),
  })
}

type Sampling = Pick<
  Conversation,
  'temperature' | 'topP' | 'topK' | 'presencePenalty' | 'frequencyPenalty' | 'logitBias' | 'seed' | 'stop'
>

/** How tokens are chosen, and what ends the answer: the same in both APIs of completions. */
export function readSampling(body: JsonObject): { [K in keyof Sampling]: Sampling[K] | undefined } {
  const seed = numberField(body, 'seed')
  if (seed !== undefined && !Number.isInteger(seed)) throw invalid('seed', 'seed must be a whole number.')
  return {
    temperature: numberField(body, 'temperature'),
    topP: numberField(body, 'top_p'),
    topK: countField(body, 'top_k', 0),
    presencePenalty: numberField(body, 'presence_penalty'),
    frequencyPenalty: numberField(body, 'frequency_penalty'),
    logitBias: readLogitBias(body),
    seed,
    stop: readStop(body),
  }
}

function readLogitBias(body: JsonObject): Record<string, number> | undefined {
  const bias = objectField(body, 'logit_bias')
  if (bias === undefined) return undefined
  const read: Record<string, number> = {}
  for (const token of Object.keys(bias)) read[token] = numberField(bias, token, 'logit_bias') ?? 0
  return Object.keys(read).length === 0 ? undefined : read
}

function readStop(body: JsonObject): string[] | undefined {
  const stop = body.stop ?? undefined
  if (stop === undefined) return undefined
  if (typeof stop === 'string') return [stop]
  if (!Array.isArray(stop)) throw invalid('stop', 'stop must be a string or an array of strings.')
  const sequences = stop.map((sequence: unknown, index) => {
    if (typeof sequence === 'string') return sequence
    throw invalid(`stop[${index}]`, `stop[${index}] must be a string.`)
  })
  return sequences.length === 0 ? undefined : sequences
}

function readFormat(body: JsonObject): OutputFormat | undefined {
  const format = objectField(body, 'response_format')
  if (format === undefined) return undefined
  const type = wordField(format, 'type', ['text', 'json_object', 'json_schema'], 'response_format')
  if (type === undefined) throw invalid('response_format.type', 'response_format.type is required.')
  if (type !== 'json_schema') return { type }
  const inner = 'response_format.json_schema'
  const json = requiredObject(format, 'json_schema', 'response_format')
  return definedOnly<OutputFormat & { type: 'json_schema' }>({
    type,
    name: requiredText(json, 'name', inner),
    description: textField(json, 'description', inner),
    schema: requiredObject(json, 'schema', inner),
    strict: booleanField(json, 'strict', inner),
  })
}

/**
 * `reasoning_effort`, and what says the same with more words: OpenRouter's `reasoning` (effort, max_tokens, exclude)
 * and LiteLLM's `thinking`, which is Anthropic's (type, budget_tokens) and, without a budget, DeepSeek's.
 */
function readReasoning(body: JsonObject): Reasoning | undefined {
  const router = objectField(body, 'reasoning') ?? {}
  const thinking = objectField(body, 'thinking') ?? {}
  const type = wordField(thinking, 'type', ['enabled', 'adaptive', 'disabled'], 'thinking')
  const off = type === 'disabled' || booleanField(router, 'enabled', 'reasoning') === false
  const budget =
    nestedCount(router, 'max_tokens', 0, 'reasoning') ?? nestedCount(thinking, 'budget_tokens', 1, 'thinking')
  const effort = wordField(body, 'reasoning_effort', efforts) ?? wordField(router, 'effort', efforts, 'reasoning')
  const on = effort === undefined && budget === undefined
  const adaptive = on && (type === 'enabled' || type === 'adaptive' || router.enabled === true)
  const read = definedOnly<Reasoning>({
    effort: off ? 'none' : effort,
    budget: off ? undefined : budget,
    adaptive: adaptive || (type === 'adaptive' && !off) || undefined,
    summary: booleanField(router, 'exclude', 'reasoning') ? 'none' : undefined,
  })
  return Object.keys(read).length === 0 ? undefined : read
}

function readMetadata(body: JsonObject): Record<string, string> | undefined {
  const metadata = objectField(body, 'metadata')
  if (metadata === undefined) return undefined
  return Object.fromEntries(Object.keys(metadata).map((key) => [key, requiredText(metadata, key, 'metadata')]))
}

function readExtra(body: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(body).filter(
      ([field, value]) => !known.has(field) && (value ?? undefined) !== undefined && !saysNothing(field, value),
    ),
  )
}

/** The values by which a client says what is so anyway. */
function saysNothing(field: string, value: unknown): boolean {
  if (field === 'store') return value === false
  return field === 'modalities' && Array.isArray(value) && value.every((modality) => modality === 'text')
}

/** @see ProviderDialect.writeRequest; the body of a chat completion at OpenAI, Azure and servers alike. */
export function writeRequest(conversation: Conversation, context: RequestContext): JsonObject {
  const { extra, stream } = conversation
  const { quirks } = context
  settleExtra(Object.fromEntries(Object.entries(extra).filter(([key]) => !isOneOf(key, shared))), drops, context)
  if (conversation.metadata !== undefined) context.drop('metadata')
  if (conversation.topK !== undefined)
    context.refuse('top_k', 'the chat API has no top_k. Leave it out or choose another model.')
  return definedOnly({
    model: context.model,
    messages: writeMessages(conversation, context),
    ...writeTools(conversation, context),
    response_format: writeFormat(conversation.output, context),
    [quirks.maxTokensField]: conversation.maxTokens,
    temperature: conversation.temperature,
    top_p: conversation.topP,
    presence_penalty: conversation.presencePenalty,
    frequency_penalty: conversation.frequencyPenalty,
    logit_bias: conversation.logitBias,
    seed: conversation.seed,
    stop: conversation.stop,
    n: conversation.n === 1 ? undefined : conversation.n,
    logprobs: conversation.logprobs || undefined,
    top_logprobs: conversation.logprobs ? conversation.topLogprobs : undefined,
    reasoning_effort: writeEffort(conversation.reasoning, context),
    verbosity: conversation.verbosity,
    stream: stream || undefined,
    stream_options: stream && quirks.streamUsage ? { include_usage: true } : undefined,
    user: conversation.user,
    service_tier: writeTier(conversation.serviceTier, context),
    prompt_cache_key: conversation.promptCacheKey,
    ...Object.fromEntries(shared.map((field) => [field, extra[field]])),
  })
}

function writeFormat(output: OutputFormat | undefined, context: RequestContext): JsonObject | undefined {
  if (output?.type !== 'json_schema') return output && { ...output }
  if (!context.quirks.jsonSchema)
    context.refuse(
      'response_format',
      'the provider behind this model cannot hold an answer to a JSON schema. Ask for json_object, or choose another model.',
    )
  const { type, ...schema } = output
  return { type, json_schema: schema }
}

/** OpenAI's models that never think, and refuse to be told not to. */
const thoughtless = /(?:^|[/:])(?:gpt-(?:3\.5|4)|chatgpt-4)/

/** A budget goes as the effort it amounts to. Thinking as the model sees fit is what it does unless told otherwise. */
function writeEffort(reasoning: Reasoning | undefined, context: RequestContext): string | undefined {
  if (reasoning === undefined) return undefined
  const { effort, budget, summary } = reasoning
  if (summary !== undefined) context.drop('reasoning.summary')
  if (effort === 'none' && thoughtless.test(context.model)) {
    context.drop('reasoning.effort')
    return undefined
  }
  return effort ?? (budget === undefined ? undefined : budgetToEffort(budget))
}

function writeTier(tier: string | undefined, context: RequestContext): string | undefined {
  if (tier === undefined || isOneOf(tier, tiers)) return tier
  context.drop('serviceTier')
  return undefined
}
