import type { Answer, Choice, JsonObject, ReasoningPart, ToolCallPart } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { ApiError, errorTypeOf } from '../../errors.ts'
import { countOf, isObject, objectOf, objectsOf, textOf } from '../../fields.ts'
import { wrapOpaque } from '../../opaque.ts'
import { readContent } from './content.ts'
import { errorOf } from './errors.ts'
import { failedAnswer, readFinish, writeFinish } from './finish.ts'
import { answerId, madeCallId } from './ids.ts'
import { readLogprobs, writeLogprobs } from './logprobs.ts'
import { callSignature, signCalls } from './messages.ts'
import { usageOf } from './observe.ts'
import { markedProof, plainReasoning, readReasoning, writeDetails } from './reasoning.ts'
import { usesFunctions } from './tools.ts'
import { writeUsage } from './usage.ts'

/**
 * Reads a chat completion.
 * @throws {ApiError} with the error's own status where the answer is one; 502 where it has no choices
 */
export function readAnswer(body: JsonObject): Answer {
  const choices = objectsOf(body.choices)
  const error = errorOf(body)
  if (error && choices.length === 0)
    throw new ApiError(error.status, errorTypeOf(error.status), error.message, { code: error.code })
  if (choices.length === 0)
    throw new ApiError(502, 'api_error', "The provider's answer holds no choice. Try again.", {
      code: 'bad_provider_answer',
    })
  const id = textOf(body.id)
  const created = createdOf(body)
  const usage = usageOf(body)
  return {
    id,
    model: textOf(body.model),
    ...(created !== undefined && { created }),
    choices: byIndex(choices).map((choice, index) => readChoice(choice, id, index)),
    ...(usage && { usage }),
  }
}

/** Unix seconds; servers that do not know them say 0. */
export function createdOf({ created }: JsonObject): number | undefined {
  return countOf(created) || undefined
}

function byIndex(choices: JsonObject[]): JsonObject[] {
  const place = ({ index }: JsonObject) => countOf(index) ?? 0
  return choices.toSorted((a, b) => place(a) - place(b))
}

function readChoice(choice: JsonObject, responseId: string, index: number): Choice {
  const message = objectOf(choice.message)
  const calls = readCalls(message, responseId, index)
  const parts: Choice['parts'] = signCalls(readReasoning(message), calls)
  for (const { kind, text } of readContent(message.content)) parts.push({ type: kind, text })
  const refusal = textOf(message.refusal)
  if (refusal !== '') parts.push({ type: 'refusal', text: refusal })
  parts.push(...calls)
  const logprobs = readLogprobs(choice.logprobs)
  const finish = readFinish(textOf(choice.finish_reason), { calls: calls.length > 0, refusal: refusal !== '' })
  const stopSequence = stopSequenceOf(choice)
  return {
    parts,
    finish,
    ...(finish === 'stop' && stopSequence !== undefined && { stopSequence }),
    ...(logprobs && { logprobs }),
  }
}

/** vLLM's `stop_reason`: the sequence that ended the answer, or the number of a token. */
export function stopSequenceOf(choice: JsonObject): string | undefined {
  return textOf(choice.stop_reason) || undefined
}

function readCalls(message: JsonObject, responseId: string, choice: number): ToolCallPart[] {
  const calls = objectsOf(message.tool_calls)
  if (isObject(message.function_call)) calls.push({ function: message.function_call })
  return calls.map((call, ordinal) => {
    const called = objectOf(call.function)
    const name = textOf(called.name)
    const signature = callSignature(call)
    return {
      type: 'tool_call',
      id: textOf(call.id) || madeCallId(responseId, choice, ordinal, name),
      name,
      arguments: argumentsOf(called.arguments),
      ...(signature && { signature }),
    }
  })
}

/** Some servers send the arguments as an object instead of its text. */
export function argumentsOf(value: unknown): string {
  return isObject(value) ? JSON.stringify(value) : textOf(value)
}

/**
 * Writes a chat completion.
 * @throws {ApiError} 502 where every choice ended with an error, for which the API has no finish reason
 */
export function writeAnswer(answer: Answer, context: AnswerContext): JsonObject {
  if (answer.choices.every((choice) => choice.finish === 'error')) throw failure()
  const legacy = usesFunctions(context.request)
  return {
    id: answerId('chatcmpl-', answer.id, context.id),
    object: 'chat.completion',
    created: answer.created ?? context.created,
    model: context.model,
    choices: answer.choices.map((choice, index) => writeChoice(choice, index, legacy)),
    ...(answer.usage && { usage: writeUsage(answer.usage) }),
  }
}

/** The error in place of an answer whose every choice failed. */
export function failure(): ApiError {
  const { status, code, message } = failedAnswer
  return new ApiError(status, 'api_error', message, { code })
}

function writeChoice(choice: Choice, index: number, legacy: boolean): JsonObject {
  const texts: string[] = []
  const refusals: string[] = []
  const calls: ToolCallPart[] = []
  const reasoning: ReasoningPart[] = []
  for (const part of choice.parts) {
    if (part.type === 'text') texts.push(part.text)
    else if (part.type === 'refusal') refusals.push(part.text)
    else if (part.type === 'tool_call') calls.push(part)
    else reasoning.push(part)
  }
  const [first] = calls
  return {
    index,
    message: {
      role: 'assistant',
      content: texts.length === 0 ? null : texts.join(''),
      refusal: refusals.length === 0 ? null : refusals.join(''),
      ...writeReasoning(reasoning),
      ...(first && (legacy ? { function_call: writeFunction(first) } : { tool_calls: calls.map(writeCall) })),
    },
    logprobs: writeLogprobs(choice.logprobs),
    finish_reason: writeFinish(choice.finish, { refusal: refusals.length > 0, legacyCall: legacy }),
  }
}

function writeReasoning(parts: readonly ReasoningPart[]): JsonObject {
  const text = plainReasoning(parts)
  const details = writeDetails(parts, markedProof)
  return { ...(text !== '' && { reasoning_content: text }), ...(details.length > 0 && { reasoning_details: details }) }
}

function writeCall(call: ToolCallPart): JsonObject {
  return { id: call.id, type: 'function', function: writeFunction(call), ...writeSignature(call.signature) }
}

/** A model may leave the arguments of a function without parameters empty; clients parse them as JSON. */
function writeFunction({ name, arguments: text }: ToolCallPart): JsonObject {
  return { name, arguments: text === '' ? '{}' : text }
}

/** A tool call's signature in Google's field, marked where it is not Gemini's own. */
export function writeSignature(signature: ToolCallPart['signature']): JsonObject {
  if (signature === undefined) return {}
  return { extra_content: { google: { thought_signature: wrapOpaque(signature, 'gemini') } } }
}
