import type { Answer, Choice, JsonObject } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { ApiError, errorTypeOf } from '../../errors.ts'
import { countOf, isObject, objectsOf, textOf } from '../../fields.ts'
import { readFailure } from '../openai/errors.ts'
import { dealLogprobs, readLogprobs } from '../openai/logprobs.ts'
import { readFinish, writeFinish } from './finish.ts'
import { makeItemId } from './ids.ts'
import { reasoningParts } from './input.ts'
import {
  callItem,
  callSignatureItem,
  type ItemStatus,
  messageItem,
  outputText,
  reasoningItem,
  refusalContent,
} from './output.ts'
import { responseObject } from './response.ts'
import { readUsage } from './usage.ts'

/**
 * Reads a Response object.
 * @throws {ApiError} with the failure's own status where the response failed; 502 where it is none or not done.
 */
export function readAnswer(body: JsonObject): Answer {
  if (isObject(body.error)) {
    const { status, code, message } = readFailure(body.error)
    throw new ApiError(status, errorTypeOf(status), message, { code })
  }
  if (!Array.isArray(body.output) || unfinished.has(body.status))
    throw new ApiError(502, 'api_error', "The provider's answer is not a finished response. Try again.", {
      code: 'bad_provider_answer',
    })
  const items = objectsOf(body.output)
  const logprobs = items.flatMap((item) => objectsOf(item.content).flatMap((part) => readLogprobs(part.logprobs) ?? []))
  const created = countOf(body.created_at)
  const usage = readUsage(body.usage)
  return {
    id: textOf(body.id),
    model: textOf(body.model),
    ...(created !== undefined && { created }),
    choices: [
      {
        parts: items.flatMap(readItem),
        finish: readFinish(body),
        ...(logprobs.length > 0 && { logprobs }),
      },
    ],
    ...(usage && { usage }),
  }
}

const unfinished = new Set<unknown>(['queued', 'in_progress', 'cancelled', 'failed'])

/** Items of other types record what OpenAI's own tools did. No translated request has such tools. */
export function readItem(item: JsonObject): Choice['parts'] {
  switch (item.type) {
    case 'message':
      return objectsOf(item.content).flatMap((part): Choice['parts'] => {
        if (part.type === 'output_text') return [{ type: 'text', text: textOf(part.text) }]
        return part.type === 'refusal' ? [{ type: 'refusal', text: textOf(part.refusal) }] : []
      })
    case 'function_call':
      return [
        { type: 'tool_call', id: textOf(item.call_id), name: textOf(item.name), arguments: textOf(item.arguments) },
      ]
    case 'reasoning': {
      const id = textOf(item.id)
      const encrypted = textOf(item.encrypted_content)
      return reasoningParts({
        summary: objectsOf(item.summary).map((part) => textOf(part.text)),
        content: objectsOf(item.content).map((part) => textOf(part.text)),
        ...(id !== '' && { id }),
        // Whatever it looks like, it is the provider's own and goes back to it as it came.
        ...(encrypted !== '' && { opaque: { redacted: { origin: 'openai', value: encrypted } } }),
      })
    }
    default:
      return []
  }
}

/** Writes a Response object; only the first choice has a place in it. */
export function writeAnswer(answer: Answer, context: AnswerContext): JsonObject {
  const choice = answer.choices[0] ?? { parts: [], finish: 'error' }
  const ending = writeFinish(
    choice.finish,
    choice.parts.some((part) => part.type === 'refusal'),
  )
  const failed = ending.status === 'failed'
  return responseObject(
    {
      id: answer.id,
      created: answer.created,
      ...ending,
      ...(failed && { error: { code: 'server_error', message: 'The provider ended the answer with an error.' } }),
      output: writeOutput(choice, ending.status === 'completed' ? 'completed' : 'incomplete', context),
      usage: answer.usage,
    },
    context,
  )
}

/** Neighbouring texts and refusals are one message. The last item is the one that an early end cut short. */
function writeOutput(choice: Choice, last: ItemStatus, context: AnswerContext): JsonObject[] {
  const texts = choice.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  const logprobs = dealLogprobs(texts, choice.logprobs ?? [])
  const output: JsonObject[] = []
  let content: JsonObject[] | undefined
  choice.parts.forEach((part, index) => {
    const id = (prefix: 'msg' | 'fc' | 'rs') => makeItemId(prefix, context, output.length)
    const status = index === choice.parts.length - 1 ? last : 'completed'
    if (part.type === 'text' || part.type === 'refusal') {
      if (content === undefined) {
        content = []
        output.push(messageItem(id('msg'), status, content))
      }
      content.push(part.type === 'text' ? outputText(part.text, logprobs.shift()) : refusalContent(part.text))
      output.at(-1)!.status = status
      return
    }
    content = undefined
    if (part.type === 'reasoning') output.push(reasoningItem(part.id ?? id('rs'), part))
    else {
      if (part.signature) output.push(callSignatureItem(id('rs'), part.id, part.signature))
      output.push(callItem(id('fc'), status, part))
    }
  })
  return output
}
