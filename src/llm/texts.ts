import { isObject } from '../json.ts'
import type { Answer, JsonObject } from './conversation.ts'
import type { ClientFormat } from './dialects/index.ts'

/**
 * Where the words are: the texts of a request body or an answer that people and models wrote, as against ids, roles, images
 * and signatures. Each function gives every text to `change` and puts the result in its place; what stays the same is not
 * copied.
 */
export type Change = (text: string) => string

/** @returns the body with its texts changed; the same object where none was */
export function mapRequestTexts(format: ClientFormat, body: JsonObject, change: Change): JsonObject {
  switch (format) {
    case 'chat':
      return members(body, { messages: (messages) => list(messages, (message) => chatMessage(message, change)) })
    case 'completions':
      return members(body, { prompt: (prompt) => strings(prompt, change), suffix: (suffix) => strings(suffix, change) })
    case 'openai-embeddings':
      return members(body, { input: (input) => strings(input, change) })
    case 'responses':
      return members(body, {
        instructions: (instructions) => strings(instructions, change),
        input: (input) =>
          typeof input === 'string' ? change(input) : list(input, (item) => responsesItem(item, change)),
      })
    case 'messages':
      return members(body, {
        system: (system) => content(system, change, messagesBlock),
        messages: (messages) =>
          list(messages, (message) => members(message, { content: (value) => content(value, change, messagesBlock) })),
      })
    case 'gemini':
      return members(body, {
        systemInstruction: (system) => geminiContent(system, change),
        system_instruction: (system) => geminiContent(system, change),
        contents: (contents) =>
          Array.isArray(contents)
            ? list(contents, (turn) => geminiContent(turn, change))
            : geminiContent(contents, change),
        generateContentRequest: (inner) => (isObject(inner) ? mapRequestTexts('gemini', inner, change) : inner),
      })
  }
}

/** The texts of an answer: what it says, refuses and thinks, and the arguments of its calls. */
export function mapAnswerTexts(answer: Answer, change: Change): Answer {
  return {
    ...answer,
    choices: answer.choices.map((choice) => ({
      ...choice,
      parts: choice.parts.map((part) => {
        switch (part.type) {
          case 'text':
          case 'refusal':
            return { ...part, text: change(part.text) }
          case 'tool_call':
            return { ...part, arguments: change(part.arguments) }
          default:
            return part
        }
      }),
    })),
  }
}

type Edit = (value: unknown) => unknown

/** An object with some members edited; the same one where nothing changed. Anything else as it is. */
function members<T>(value: T, edits: Readonly<Record<string, Edit>>): T {
  if (!isObject(value)) return value
  let copy: JsonObject | undefined
  for (const key of Object.keys(edits)) {
    if (!Object.hasOwn(value, key)) continue
    const before = value[key]
    const after = edits[key]!(before)
    if (after === before) continue
    copy ??= { ...(value as JsonObject) }
    copy[key] = after as JsonObject[string]
  }
  return (copy ?? value) as T
}

function list(value: unknown, edit: Edit): unknown {
  if (!Array.isArray(value)) return value
  let copy: unknown[] | undefined
  value.forEach((item, index) => {
    const after = edit(item)
    if (after === item) return
    copy ??= [...value]
    copy[index] = after
  })
  return copy ?? value
}

/** A string, or a list of strings; lists of token numbers stay as they are. */
function strings(value: unknown, change: Change): unknown {
  if (typeof value === 'string') return change(value)
  return list(value, (item) => (typeof item === 'string' ? change(item) : item))
}

/** A string, or a list of parts. */
function content(value: unknown, change: Change, part: (value: unknown, change: Change) => unknown): unknown {
  return typeof value === 'string' ? change(value) : list(value, (item) => part(item, change))
}

const text =
  (change: Change): Edit =>
  (value) =>
    typeof value === 'string' ? change(value) : value

const deepest = 32

/** Every string inside a JSON value, keys left alone. */
function everyString(value: unknown, change: Change, depth = 0): unknown {
  if (typeof value === 'string') return change(value)
  if (depth > deepest) return value
  if (Array.isArray(value)) return list(value, (item) => everyString(item, change, depth + 1))
  if (!isObject(value)) return value
  return members(
    value,
    Object.fromEntries(Object.keys(value).map((key) => [key, (inner) => everyString(inner, change, depth + 1)])),
  )
}

function chatMessage(message: unknown, change: Change): unknown {
  return members(message, {
    content: (value) => content(value, change, (part) => members(part, { text: text(change), refusal: text(change) })),
    refusal: text(change),
    tool_calls: (calls) =>
      list(calls, (call) =>
        members(call, {
          function: (called) => members(called, { arguments: text(change) }),
          custom: (called) => members(called, { input: text(change) }),
        }),
      ),
    function_call: (called) => members(called, { arguments: text(change) }),
  })
}

function responsesItem(item: unknown, change: Change): unknown {
  const parts: Edit = (value) =>
    content(value, change, (part) => members(part, { text: text(change), refusal: text(change) }))
  return members(item, { content: parts, output: parts, arguments: text(change), input: text(change) })
}

function messagesBlock(block: unknown, change: Change): unknown {
  if (!isObject(block)) return block
  switch (block.type) {
    case 'text':
      return members(block, { text: text(change) })
    case 'tool_use':
      return members(block, { input: (input) => everyString(input, change) })
    case 'tool_result':
      return members(block, { content: (value) => content(value, change, messagesBlock) })
    case 'document':
      return members(block, {
        title: text(change),
        context: text(change),
        source: (source) =>
          isObject(source) && source.type === 'text'
            ? members(source, { data: text(change) })
            : members(source, { content: (value) => content(value, change, messagesBlock) }),
      })
    default:
      // Thinking is signed by the provider and must come back as it was.
      return block
  }
}

function geminiContent(turn: unknown, change: Change): unknown {
  if (typeof turn === 'string') return change(turn)
  return members(turn, {
    parts: (parts) =>
      list(parts, (part) =>
        isObject(part) && part.thought === true
          ? part
          : members(part, {
              text: text(change),
              functionCall: (call) => members(call, { args: (args) => everyString(args, change) }),
              functionResponse: (result) => members(result, { response: (value) => everyString(value, change) }),
            }),
      ),
  })
}
