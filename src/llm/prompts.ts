import type { PromptRule } from '../config/prompts.ts'
import { isObject } from '../json.ts'
import type { Condition, ExpressionCompiler } from '../policy/expression.ts'
import type { Facts } from '../policy/facts.ts'
import type { JsonObject } from './conversation.ts'
import type { ClientFormat } from './dialects/index.ts'
import { ApiError } from './errors.ts'

/** What the rules add to requests and which parameters they allow, compiled once a revision. */
export class Prompts {
  readonly #prompts: readonly { name: string; rule: PromptRule; applies: Condition | undefined }[]

  /** @throws {ExpressionError} */
  constructor(rules: Readonly<Record<string, PromptRule>>, compiler: ExpressionCompiler) {
    this.#prompts = Object.entries(rules).map(([name, rule]) => ({
      name,
      rule,
      applies: rule.when === undefined ? undefined : compiler.condition(rule.when, false),
    }))
  }

  get empty(): boolean {
    return this.#prompts.length === 0
  }

  /**
   * @param body a client's request
   * @param applied gets the paths of the rules that apply
   * @returns the request as the rules want it; the same object where they want nothing
   * @throws {ApiError} 400 for a parameter that is not allowed
   */
  apply(format: ClientFormat, body: JsonObject, facts: Facts, applied: string[] = []): JsonObject {
    let edited = body
    for (const { name, rule, applies } of this.#prompts) {
      if (applies && !applies(facts)) continue
      applied.push(`prompts.${name}`)
      if (rule.allowParameters) refuseOthers(name, rule.allowParameters, format, body)
      edited = withParameters(format, edited, rule)
      if (rule.prepend !== undefined || rule.append !== undefined) edited = withSystem(format, edited, rule)
    }
    return edited
  }
}

/** What a request is made of, whatever parameters it may have. */
const essential: Readonly<Record<ClientFormat, readonly string[]>> = {
  chat: ['model', 'messages', 'stream', 'stream_options'],
  completions: ['model', 'prompt', 'stream', 'stream_options'],
  'openai-embeddings': ['model', 'input'],
  responses: ['model', 'input', 'instructions', 'stream', 'stream_options', 'store', 'include'],
  messages: ['model', 'messages', 'system', 'max_tokens', 'stream'],
  gemini: ['contents', 'systemInstruction', 'system_instruction', 'generationConfig', 'generation_config', 'model'],
}

function refuseOthers(prompt: string, allowed: readonly string[], format: ClientFormat, body: JsonObject): void {
  const places = format === 'gemini' ? { ...generationConfig(body), ...body } : body
  for (const field of Object.keys(places))
    if (!essential[format].includes(field) && !allowed.some((name) => name === field || place(format, name) === field))
      throw new ApiError(
        400,
        'invalid_request_error',
        `The rule prompts.${prompt} of this gateway does not allow the parameter ${field.slice(0, 100)}. Leave it out.`,
        { code: 'parameter_not_allowed', param: field.slice(0, 100), rule: `prompts.${prompt}` },
      )
}

/** Parameters that every API has under a name of its own, by OpenAI's chat names. */
const spellings: Readonly<Record<string, Partial<Record<ClientFormat, string>>>> = {
  max_tokens: { chat: 'max_completion_tokens', responses: 'max_output_tokens', gemini: 'maxOutputTokens' },
  stop: { messages: 'stop_sequences', gemini: 'stopSequences' },
  top_p: { gemini: 'topP' },
  top_k: { gemini: 'topK' },
  presence_penalty: { gemini: 'presencePenalty' },
  frequency_penalty: { gemini: 'frequencyPenalty' },
}

/** A parameter's name in a client's API. */
function place(format: ClientFormat, name: string): string {
  return (Object.hasOwn(spellings, name) && spellings[name]![format]) || name
}

/** Gemini keeps these inside `generationConfig`. */
const generationFields = new Set([
  'temperature',
  'seed',
  ...Object.values(spellings).flatMap(({ gemini }) => (gemini === undefined ? [] : [gemini])),
])

function withParameters(format: ClientFormat, body: JsonObject, { defaults, overrides }: PromptRule): JsonObject {
  let edited = body
  const set = (name: string, value: unknown, force: boolean) => {
    const key = place(format, name)
    if (format === 'gemini' && generationFields.has(key)) {
      const config = generationConfig(edited)
      if (force || config[key] === undefined) {
        const { generation_config: _, ...rest } = edited
        edited = { ...rest, generationConfig: { ...config, [key]: value } } as JsonObject
      }
      return
    }
    // Chat has an older name for its bound; the two exclude each other.
    const older = format === 'chat' && key === 'max_completion_tokens' ? 'max_tokens' : undefined
    const present = edited[key] ?? (older === undefined ? undefined : edited[older]) ?? undefined
    if (!force && present !== undefined) return
    const copy: JsonObject = { ...edited, [key]: value } as JsonObject
    if (older !== undefined) delete copy[older]
    edited = copy
  }
  for (const [name, value] of Object.entries(defaults)) set(name, value, false)
  for (const [name, value] of Object.entries(overrides)) set(name, value, true)
  return edited
}

function generationConfig(body: JsonObject): JsonObject {
  const config = body.generationConfig ?? body.generation_config
  return isObject(config) ? config : {}
}

/** Adds to the system prompt, wherever the API keeps it. */
function withSystem(format: ClientFormat, body: JsonObject, { prepend, append }: PromptRule): JsonObject {
  const around = (text: string) =>
    [prepend, text, append].filter((part) => part !== undefined && part !== '').join('\n\n')
  switch (format) {
    case 'chat': {
      if (!Array.isArray(body.messages)) return body
      const messages: unknown[] = [...body.messages]
      // The first and the last of the leading system messages; a developer message is the same under a newer name.
      const lead = messages.findIndex((message) => !isSystem(message))
      const count = lead === -1 ? messages.length : lead
      const role = isObject(messages[0]) && messages[0].role === 'developer' ? 'developer' : 'system'
      if (append !== undefined) messages.splice(count, 0, { role, content: append })
      if (prepend !== undefined) messages.unshift({ role, content: prepend })
      return { ...body, messages } as JsonObject
    }
    case 'responses':
      return { ...body, instructions: around(typeof body.instructions === 'string' ? body.instructions : '') }
    case 'messages': {
      const { system } = body
      if (!Array.isArray(system)) return { ...body, system: around(typeof system === 'string' ? system : '') }
      const blocks: unknown[] = [...system]
      if (prepend !== undefined) blocks.unshift({ type: 'text', text: prepend })
      if (append !== undefined) blocks.push({ type: 'text', text: append })
      return { ...body, system: blocks } as JsonObject
    }
    case 'gemini': {
      const { system_instruction: older, ...rest } = body
      const system = rest.systemInstruction ?? older
      const parts: unknown[] = isObject(system)
        ? Array.isArray(system.parts)
          ? [...system.parts]
          : []
        : typeof system === 'string'
          ? [{ text: system }]
          : []
      if (prepend !== undefined) parts.unshift({ text: prepend })
      if (append !== undefined) parts.push({ text: append })
      return { ...rest, systemInstruction: { ...(isObject(system) ? system : {}), parts } } as JsonObject
    }
    default:
      // Completions and embeddings have no system prompt.
      return body
  }
}

function isSystem(message: unknown): boolean {
  return isObject(message) && (message.role === 'system' || message.role === 'developer')
}
