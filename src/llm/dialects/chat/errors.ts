import type { JsonObject } from '../../conversation.ts'
import { objectOf } from '../../fields.ts'
import { readFailure } from '../openai/errors.ts'

/**
 * The error that a chunk or an answer carries instead of choices: `error`, Groq's `x_groq.error`, or the whole of it
 * (older vLLM, `object: 'error'`).
 * @returns undefined where it carries none
 */
export function errorOf(json: JsonObject): ReturnType<typeof readFailure> | undefined {
  const error = json.error ?? objectOf(json.x_groq).error ?? (json.object === 'error' ? json : undefined)
  return error === undefined || error === null ? undefined : readFailure(error)
}
