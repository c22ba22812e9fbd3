import type { Answer, Choice, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { isObject, objectOf, objectsOf } from '../../fields.ts'
import { exceptionName, readError } from './errors.ts'
import { readFinish, readStopSequence } from './finish.ts'
import { readUsage } from './usage.ts'
import { stringOf, wordsOf } from './wire.ts'

/**
 * Reads the answer of `/model/ID/converse`. Bedrock gives it no id and no date, and names the model only where a
 * prompt router chose it. Citations, which no request asks for, are read as the text they support.
 *
 * @throws {ApiError} 502 where it holds no message, or an answer in pictures or sound; the error of an exception that
 *   came with status 200
 */
export function readAnswer(body: JsonObject): Answer {
  const { message } = objectOf(body.output)
  if (!isObject(message) || !Array.isArray(message.content)) {
    if (exceptionName(body) !== undefined) throw readError(502, body)
    throw new ApiError(502, 'api_error', "The provider's answer holds no message. Try again.", {
      code: 'bad_provider_answer',
    })
  }
  const parts = objectsOf(message.content).flatMap(readBlock)
  const usage = readUsage(body.usage)
  return {
    id: '',
    model: readModel(body),
    choices: [
      {
        parts,
        finish: readFinish(
          body.stopReason,
          parts.some((part) => part.type === 'tool_call'),
        ),
        ...readStopSequence(body),
      },
    ],
    ...(usage && { usage }),
  }
}

/** The model that a prompt router chose; empty where there was no choice. */
function readModel(body: JsonObject): string {
  return wordsOf(objectOf(objectOf(body.trace).promptRouter).invokedModelId) ?? ''
}

function readBlock(block: JsonObject): Choice['parts'] {
  if (typeof block.text === 'string') return readText(block.text)
  if (isObject(block.citationsContent))
    return readText(
      objectsOf(block.citationsContent.content)
        .map(({ text }) => stringOf(text) ?? '')
        .join(''),
    )
  if (isObject(block.toolUse)) {
    const { toolUseId, name, input } = block.toolUse
    return [
      {
        type: 'tool_call',
        id: stringOf(toolUseId) ?? '',
        name: stringOf(name) ?? '',
        arguments: JSON.stringify(input ?? {}),
      },
    ]
  }
  if (isObject(block.reasoningContent)) return readReasoning(block.reasoningContent)
  const what = Object.keys(block).find((key) => foreign.has(key))
  if (what !== undefined) throw new ApiError(502, 'api_error', foreignBlock(what), { code: 'unsupported_answer' })
  return []
}

function readText(text: string): Choice['parts'] {
  return text === '' ? [] : [{ type: 'text', text }]
}

function readReasoning(content: JsonObject): Choice['parts'] {
  const redacted = wordsOf(content.redactedContent)
  if (redacted !== undefined) return [{ type: 'reasoning', text: '', redacted: { origin: 'bedrock', value: redacted } }]
  if (!isObject(content.reasoningText)) return []
  const text = stringOf(content.reasoningText.text) ?? ''
  const signature = wordsOf(content.reasoningText.signature)
  if (text === '' && signature === undefined) return []
  return [{ type: 'reasoning', text, ...(signature && { signature: { origin: 'bedrock', value: signature } }) }]
}

/** Kinds of content that no client API here can carry. */
export const foreign: ReadonlySet<string> = new Set(['image', 'audio', 'video', 'document', 'toolResult'])

/** The sentence for one of them. */
export function foreignBlock(what: string): string {
  return `The model answered with a block of type ${what}, which the API of this request cannot carry. Use a model that answers in text.`
}
