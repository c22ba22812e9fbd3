import type { Answer, Choice, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { objectOf, objectsOf, textOf } from '../../fields.ts'
import { readFinish, readStopSequence } from './finish.ts'
import { readUsage } from './usage.ts'

type AnswerPart = Choice['parts'][number]

/**
 * Reads the answer of `POST /v1/messages`. Why a classifier refused it (`stop_details.explanation`), where that is
 * told, is a refusal in words.
 *
 * @throws {ApiError} 502 where it is no message
 */
export function readAnswer(body: JsonObject): Answer {
  if (!Array.isArray(body.content))
    throw new ApiError(502, 'api_error', "The provider's answer holds no message. Try again.", {
      code: 'bad_provider_answer',
    })
  const parts = objectsOf(body.content).flatMap(readBlock)
  const explanation = readExplanation(body)
  if (explanation !== '') parts.push({ type: 'refusal', text: explanation })
  const usage = readUsage(body.usage)
  const called = parts.some((part) => part.type === 'tool_call')
  return {
    id: textOf(body.id),
    model: textOf(body.model),
    choices: [{ parts, finish: readFinish(body.stop_reason, called), ...readStopSequence(body.stop_sequence) }],
    ...(usage && { usage }),
  }
}

/**
 * Anything else that may stand in an answer comes from tools that run at Anthropic (`server_tool_use`,
 * `web_search_tool_result`, …). No translated request asks for these, and no other API can carry them.
 */
function readBlock(block: JsonObject): AnswerPart[] {
  switch (block.type) {
    case 'text':
      return textOf(block.text) === '' ? [] : [{ type: 'text', text: textOf(block.text) }]
    case 'thinking':
      return readThinking(textOf(block.thinking), textOf(block.signature))
    case 'redacted_thinking':
      return readRedacted(textOf(block.data))
    case 'tool_use':
      return [
        {
          type: 'tool_call',
          id: textOf(block.id),
          name: textOf(block.name),
          arguments: JSON.stringify(block.input ?? {}),
        },
      ]
    default:
      return []
  }
}

function readThinking(text: string, signature: string): AnswerPart[] {
  if (text === '' && signature === '') return []
  return [
    { type: 'reasoning', text, ...(signature !== '' && { signature: { origin: 'anthropic', value: signature } }) },
  ]
}

function readRedacted(value: string): AnswerPart[] {
  return value === '' ? [] : [{ type: 'reasoning', text: '', redacted: { origin: 'anthropic', value } }]
}

/** Why the answer was refused, in words; empty where it was not or nothing is told. */
export function readExplanation({ stop_reason, stop_details }: JsonObject): string {
  return stop_reason === 'refusal' ? textOf(objectOf(stop_details).explanation) : ''
}
