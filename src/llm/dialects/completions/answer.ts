import type { Answer, Choice, FinishReason, JsonObject } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { objectsOf } from '../../fields.ts'
import { failure, readAnswer as readChat } from '../chat/answer.ts'
import { writeFinish as writeChatFinish } from '../chat/finish.ts'
import { answerId } from '../chat/ids.ts'
import { writeUsage } from '../chat/usage.ts'

/**
 * Reads a legacy completion: its choices are a chat's that have said their text. Log probabilities of its own form are left
 * out: they repeat the text, which whoever looks at it may have changed.
 * @throws {ApiError} with the error's own status where the answer is one; 502 where it has no choices
 */
export function readAnswer(body: JsonObject): Answer {
  return readChat(asChat(body, 'message'))
}

/** A legacy completion, or a chunk of one, as the chat API has it. @param place where that has what is said */
export function asChat(json: JsonObject, place: 'message' | 'delta'): JsonObject {
  if (!Array.isArray(json.choices)) return json
  const choices = objectsOf(json.choices).map(({ text, logprobs: _, ...choice }) => ({
    ...choice,
    [place]: { content: text },
  }))
  return { ...json, choices }
}

/**
 * Writes a legacy completion: the text of each choice. Thinking has no place in it.
 * @throws {ApiError} 502 where every choice ended with an error, for which the API has no finish reason
 */
export function writeAnswer(answer: Answer, context: AnswerContext): JsonObject {
  if (answer.choices.every((choice) => choice.finish === 'error')) throw failure()
  return {
    id: answerId('cmpl-', answer.id, context.id),
    object: 'text_completion',
    created: answer.created ?? context.created,
    model: context.model,
    choices: answer.choices.map((choice, index) => ({
      index,
      text: writeText(choice),
      logprobs: null,
      finish_reason: writeFinish(
        choice.finish,
        choice.parts.some((part) => part.type === 'refusal'),
      ),
    })),
    ...(answer.usage && { usage: writeUsage(answer.usage) }),
  }
}

function writeText({ parts }: Choice): string {
  return parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : '')).join('')
}

/** The chat API's word; a legacy request has no tools, so an answer that calls one is at its end. */
export function writeFinish(finish: FinishReason, refusal: boolean): string {
  return finish === 'tool_calls' ? 'stop' : writeChatFinish(finish, { refusal, legacyCall: false })
}
