import type { Answer, Choice, JsonObject, ToolCallPart } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { writeToolId } from './ids.ts'
import { messageObject, textBlock, thinkingBlock, toolUseBlock } from './message-object.ts'
import { failedAnswer, writeEnding } from './stop-reason.ts'
import { callSignature, writeThinking } from './thinking-blocks.ts'
import { brokenInput, toolInput, wantsWholeInput } from './tool-input.ts'

/**
 * Writes a message; only the first choice has a place in it.
 * @see ClientDialect.writeAnswer
 * @throws {ApiError} 502 where the provider ended the answer with an error, or a call's arguments are no JSON object
 */
export function writeAnswer(answer: Answer, context: AnswerContext): JsonObject {
  const choice: Choice = answer.choices[0] ?? { parts: [], finish: 'error' }
  if (choice.finish === 'error') throw broken(failedAnswer)
  const refused = choice.parts.some(({ type }) => type === 'refusal')
  return messageObject(
    {
      id: answer.id,
      content: choice.parts.flatMap((part) => writePart(part, choice)),
      ending: writeEnding({ ...choice, refused }),
      usage: answer.usage,
    },
    context,
  )
}

/** Blank texts are left out: as part of the next request Anthropic would refuse them. */
function writePart(part: Choice['parts'][number], choice: Choice): JsonObject[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [textBlock(part.text)]
    case 'reasoning':
      return writeThinking(part)
    case 'tool_call':
      return writeCall(part, choice)
  }
}

/** A call that the end of the answer cut short is left out: nobody should make it without its arguments. */
function writeCall({ id, name, arguments: text, signature }: ToolCallPart, { finish }: Choice): JsonObject[] {
  const input = toolInput(text)
  if (input === undefined) {
    if (wantsWholeInput(finish)) throw broken(brokenInput)
    return []
  }
  return [
    ...(signature ? [thinkingBlock('', callSignature(signature))] : []),
    toolUseBlock(writeToolId(id), name, input),
  ]
}

function broken({ status, code, message }: { status: number; code: string; message: string }): ApiError {
  return new ApiError(status, 'api_error', message, { code })
}
