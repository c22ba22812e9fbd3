import { createHash } from 'node:crypto'
import type { CacheMarker, Conversation, JsonObject, OutputFormat, Reasoning, Turn } from '../../conversation.ts'
import { type ProviderDialect, type RequestContext, settleExtra } from '../../dialect.ts'
import { invalid } from '../../errors.ts'
import {
  booleanField,
  countField,
  definedOnly,
  isObject,
  isOneOf,
  listField,
  numberField,
  objectField,
  requiredText,
  textField,
  unsupported,
  wordField,
} from '../../fields.ts'
import { budgetToEffort } from '../../reasoning.ts'
import { readInput } from './input.ts'
import { writeInput } from './items.ts'
import { readToolChoice, readTools, writeTools } from './tools.ts'

/** @see ProviderDialect.drops */
export const drops: ProviderDialect['drops'] = {
  store: 'Translated requests are always sent with `store: false`: the client could not find the stored answer again.',
  seed: 'The Responses API has no seed; even where there is one, it promises an effort, not equal answers.',
  cache: 'OpenAI caches prompts by itself, by their beginnings, without markers.',
  'turn.name': "The Responses API's messages have roles only, no participants' names.",
  'document.name': 'The Responses API takes a name for inline files only, not for URLs, file ids and plain text.',
  'tool_result.is_error': "The Responses API has no mark for a failed call; the result's own text says what happened.",
  serviceTier: "A tier of another provider's that OpenAI does not sell.",
}

/** Fields of the chat API, as its reader leaves them, that mean the same here. */
const shared = ['prompt_cache_retention', 'prompt_cache_options'] as const

const tiers = ['auto', 'default', 'flex', 'scale', 'priority'] as const
const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

/** Fields of the request that this reader gives a meaning, or that mean nothing more once it has been read. */
const known = new Set([
  'model',
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
  'reasoning',
  'include',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'stream',
  'user',
  'safety_identifier',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  // Counts the calls of OpenAI's own tools only, and readTools refuses those.
  'max_tool_calls',
  // Only `include_obfuscation`: padding against observers of the wire, which is no part of the answer.
  'stream_options',
  // Refused by refuseState unless they say nothing.
  'previous_response_id',
  'conversation',
  'prompt',
  'background',
])

/**
 * Reads the body of `POST /v1/responses`. What needs state or tools of OpenAI's is refused here, because no other
 * provider has it; what the defaults say (`truncation: disabled`, `store: false`) is as absent.
 * @see ClientDialect.readRequest
 */
export function readRequest(body: JsonObject): Conversation {
  refuseState(body)
  const logprobs = readInclude(body)
  const topLogprobs = countField(body, 'top_logprobs', 0)
  countField(body, 'max_tool_calls', 0)
  const text = objectField(body, 'text') ?? {}
  return definedOnly<Conversation>({
    turns: [...readInstructions(body), ...readInput(body, cacheMarker(body))],
    tools: readTools(body),
    toolChoice: readToolChoice(body),
    parallelToolCalls: booleanField(body, 'parallel_tool_calls'),
    output: readFormat(text),
    maxTokens: countField(body, 'max_output_tokens', 1),
    temperature: numberField(body, 'temperature'),
    topP: numberField(body, 'top_p'),
    logprobs: logprobs || (topLogprobs ?? 0) > 0 || undefined,
    topLogprobs,
    reasoning: readReasoning(body),
    verbosity: textField(text, 'verbosity', 'text'),
    stream: booleanField(body, 'stream') ?? false,
    user: textField(body, 'safety_identifier') ?? textField(body, 'user'),
    metadata: readMetadata(body),
    serviceTier: textField(body, 'service_tier'),
    promptCacheKey: textField(body, 'prompt_cache_key'),
    extra: readExtra(body),
  })
}

function refuseState(body: JsonObject): void {
  for (const field of ['previous_response_id', 'conversation'] as const)
    if ((body[field] ?? undefined) !== undefined)
      throw unsupported(
        field,
        `the provider behind this model keeps no earlier answers, so ${field} cannot be looked up. Send the whole conversation as input.`,
      )
  if ((body.prompt ?? undefined) !== undefined)
    throw unsupported(
      'prompt',
      'the provider behind this model has no stored prompts. Send the prompt itself as instructions and input.',
    )
  if (booleanField(body, 'background'))
    throw unsupported(
      'background',
      'the provider behind this model cannot answer in the background. Leave background out, send the whole input and wait for the answer or stream it.',
    )
}

function readInstructions(body: JsonObject): Turn[] {
  const text = textField(body, 'instructions')
  return text === undefined || text === '' ? [] : [{ role: 'system', parts: [{ type: 'text', text }] }]
}

/** Breakpoints last for at least half an hour where the request says so, and other caches know five minutes or an hour. */
function cacheMarker(body: JsonObject): CacheMarker {
  const ttl = isObject(body.prompt_cache_options) ? body.prompt_cache_options.ttl : undefined
  return { ttl: (ttl ?? undefined) === undefined ? '5m' : '1h' }
}

/** Reasoning is always returned encrypted; all but the log probabilities are about tools that readTools refuses. */
const includable = new Set([
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
  'message.input_image.image_url',
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
])

/** @returns whether log probabilities are asked for. */
function readInclude(body: JsonObject): boolean {
  const include = listField(body, 'include') ?? []
  include.forEach((value, index) => {
    if (typeof value !== 'string' || !includable.has(value))
      throw invalid(`include[${index}]`, `include[${index}] must be one of ${[...includable].join(', ')}.`)
  })
  return include.includes('message.output_text.logprobs')
}

function readFormat(text: JsonObject): OutputFormat | undefined {
  const format = objectField(text, 'format', 'text')
  if (format === undefined) return undefined
  const type = wordField(format, 'type', ['text', 'json_object', 'json_schema'], 'text.format')
  if (type === undefined) throw invalid('text.format.type', 'text.format.type is required.')
  if (type !== 'json_schema') return { type }
  const schema = objectField(format, 'schema', 'text.format')
  if (schema === undefined) throw invalid('text.format.schema', 'text.format.schema is required.')
  return definedOnly<OutputFormat & { type: 'json_schema' }>({
    type,
    name: requiredText(format, 'name', 'text.format'),
    description: textField(format, 'description', 'text.format'),
    schema,
    strict: booleanField(format, 'strict', 'text.format'),
  })
}

function readReasoning(body: JsonObject): Reasoning | undefined {
  const reasoning = objectField(body, 'reasoning')
  if (reasoning === undefined) return undefined
  const summaries = ['auto', 'concise', 'detailed', 'none'] as const
  const read = definedOnly<Reasoning>({
    effort: wordField(reasoning, 'effort', efforts, 'reasoning'),
    summary:
      wordField(reasoning, 'summary', summaries, 'reasoning') ??
      wordField(reasoning, 'generate_summary', summaries, 'reasoning'),
  })
  return Object.keys(read).length === 0 ? undefined : read
}

function readMetadata(body: JsonObject): Record<string, string> | undefined {
  const metadata = objectField(body, 'metadata')
  if (metadata === undefined) return undefined
  return Object.fromEntries(Object.keys(metadata).map((key) => [key, requiredText(metadata, key, 'metadata')]))
}

/** The values by which a client says what is so anyway. */
const defaults: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['truncation', 'disabled'],
  ['store', false],
  ['reasoning.context', 'auto'],
  ['reasoning.mode', 'standard'],
])

function readExtra(body: JsonObject): JsonObject {
  // Not hints: they choose another way of thinking, or another view of what was thought before.
  const { context, mode } = objectField(body, 'reasoning') ?? {}
  const fields = { ...body, 'reasoning.context': context, 'reasoning.mode': mode }
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([field, value]) => !known.has(field) && (value ?? undefined) !== undefined && value !== defaults.get(field),
    ),
  )
}

/**
 * Writes a request that OpenAI answers without keeping anything: what a later turn needs comes back as encrypted
 * reasoning.
 * @see ProviderDialect.writeRequest
 */
export function writeRequest(conversation: Conversation, context: RequestContext): JsonObject {
  const { extra } = conversation
  settleExtra(Object.fromEntries(Object.entries(extra).filter(([key]) => !isOneOf(key, shared))), drops, context)
  refuseForeign(conversation, context)
  if (conversation.seed !== undefined) context.drop('seed')
  const reasoning = writeReasoning(conversation.reasoning)
  return definedOnly({
    model: context.model,
    input: writeInput(conversation, context),
    ...writeTools(conversation, context),
    store: false,
    include: writeInclude(conversation, context.model),
    stream: conversation.stream || undefined,
    max_output_tokens: conversation.maxTokens,
    temperature: conversation.temperature,
    top_p: conversation.topP,
    top_logprobs: conversation.logprobs ? conversation.topLogprobs : undefined,
    text: writeText(conversation),
    reasoning,
    safety_identifier: conversation.user === undefined ? undefined : safetyIdentifier(conversation.user),
    metadata: conversation.metadata,
    prompt_cache_key: conversation.promptCacheKey,
    service_tier: writeTier(conversation.serviceTier, context),
    ...Object.fromEntries(shared.map((field) => [field, extra[field]])),
  })
}

/** What the API has no field for, and whose absence the answer would show. */
function refuseForeign(conversation: Conversation, context: RequestContext): void {
  const leaveOut = 'Leave it out or choose another model.'
  if (conversation.n !== undefined && conversation.n !== 1)
    context.refuse('n', 'the Responses API gives one answer to a request. Ask once for each.')
  if (conversation.stop !== undefined && conversation.stop.length > 0)
    context.refuse('stop', `the Responses API has no stop sequences. ${leaveOut}`)
  if (conversation.topK !== undefined) context.refuse('top_k', `the Responses API has no top_k. ${leaveOut}`)
  if (conversation.presencePenalty)
    context.refuse('presence_penalty', `the Responses API has no presence penalty. ${leaveOut}`)
  if (conversation.frequencyPenalty)
    context.refuse('frequency_penalty', `the Responses API has no frequency penalty. ${leaveOut}`)
  if (conversation.logitBias && Object.keys(conversation.logitBias).length > 0)
    context.refuse('logit_bias', `the Responses API cannot weigh single tokens. ${leaveOut}`)
}

/** Models that reason by their names; asked for encrypted reasoning, the others answer with an error. */
const reasoningModel = /(?:^|[/:])(?:o[1-9]|gpt-(?:[5-9]|oss)|codex)(?!.*-chat)/

/**
 * Encrypted reasoning is asked for where there may be some. (A deployment at Azure has any name: there the client's
 * own wish for reasoning decides.)
 */
function writeInclude(conversation: Conversation, model: string): string[] | undefined {
  const effort = conversation.reasoning?.effort
  const reasons = reasoningModel.test(model) || (conversation.reasoning !== undefined && effort !== 'none')
  const include = [
    ...(reasons ? ['reasoning.encrypted_content'] : []),
    ...(conversation.logprobs ? ['message.output_text.logprobs'] : []),
  ]
  return include.length === 0 ? undefined : include
}

function writeReasoning(reasoning: Reasoning | undefined): JsonObject | undefined {
  if (reasoning === undefined) return undefined
  const { effort, budget, summary } = reasoning
  const written = definedOnly({
    effort: effort ?? (budget === undefined ? undefined : budgetToEffort(budget)),
    summary: summary === 'none' ? undefined : summary,
  })
  return Object.keys(written).length === 0 ? undefined : written
}

function writeText({ output, verbosity }: Conversation): JsonObject | undefined {
  if (output === undefined && verbosity === undefined) return undefined
  return definedOnly({ format: output === undefined ? undefined : { ...output }, verbosity })
}

/** The API takes 64 characters and advises to hash what is longer or personal. */
function safetyIdentifier(user: string): string {
  return user.length <= 64 ? user : createHash('sha256').update(user).digest('hex')
}

function writeTier(tier: string | undefined, context: RequestContext): string | undefined {
  if (tier === undefined || isOneOf(tier, tiers)) return tier
  context.drop('serviceTier')
  return undefined
}
