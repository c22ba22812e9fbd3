import type { FinishReason, JsonObject } from '../../conversation.ts'
import { isObject } from '../../fields.ts'

/** @returns a call's arguments as this API has them, an object; undefined where the text is none */
export function toolInput(text: string): JsonObject | undefined {
  // Of a function without parameters some providers send no arguments at all.
  if (text.trim() === '') return {}
  try {
    const parsed: unknown = JSON.parse(text)
    return isObject(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** Whether an answer that ended so should have whole arguments: it was not cut short. */
export function wantsWholeInput(finish: FinishReason): boolean {
  return finish === 'stop' || finish === 'tool_calls'
}

/** The error for a call that nobody can make. */
export const brokenInput = {
  status: 502,
  code: 'bad_tool_arguments',
  message:
    "The model wrote arguments of a tool call that are not a JSON object, which this API's answers need. Try again.",
} as const
