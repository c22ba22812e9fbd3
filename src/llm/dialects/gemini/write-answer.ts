import type { Answer, Choice, JsonObject } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { brokenInput, toolInput, wantsWholeInput } from '../messages/tool-input.ts'
import type { Part } from './wire.ts'
import { failedAnswer, writeFinish } from './write-finish.ts'
import { callPart, thoughtParts } from './write-parts.ts'
import { candidateObject, responseObject } from './write-response.ts'

/**
 * Writes a GenerateContentResponse.
 * @see ClientDialect.writeAnswer
 * @throws {ApiError} 502 where the provider ended the answer with an error, or a call's arguments are no JSON object
 */
export function writeAnswer(answer: Answer, context: AnswerContext): JsonObject {
  if (answer.choices.every(({ finish }) => finish === 'error')) throw broken(failedAnswer)
  return responseObject(answer.id, answer.choices.map(writeChoice), answer.usage, context)
}

function writeChoice(choice: Choice, index: number): JsonObject {
  const refused = choice.parts.some(({ type }) => type === 'refusal')
  return candidateObject({
    index,
    parts: choice.parts.flatMap((part) => writePart(part, choice)),
    finishReason: writeFinish(choice.finish, refused),
    logprobs: choice.logprobs,
  })
}

function writePart(part: Choice['parts'][number], { finish }: Choice): Part[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }]
    case 'reasoning':
      return thoughtParts(part)
    case 'tool_call': {
      const args = toolInput(part.arguments)
      if (args) return [callPart(part, args)]
      if (wantsWholeInput(finish)) throw broken(brokenInput)
      // The end of the answer cut the call short: nobody should make it without its arguments.
      return []
    }
  }
}

function broken({ status, code, message }: { status: number; code: string; message: string }): ApiError {
  return new ApiError(status, 'api_error', message, { code })
}
