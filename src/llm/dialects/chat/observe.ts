import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { countOf, objectOf, objectsOf, textOf } from '../../fields.ts'
import { errorOf } from './errors.ts'
import { readFinish } from './finish.ts'
import { readUsage } from './usage.ts'

/** @see ObservedDialect.observedKeys; Groq's figures are `usage` inside `x_groq`. */
export const observedKeys: readonly string[] = ['usage', 'finish_reason', 'error']

/** @see ObservedDialect.observe; takes a chunk or a whole answer, of chat completions or legacy completions. */
export function observe(json: JsonObject, seen: Observed): void {
  seen.id ??= textOf(json.id) || undefined
  seen.model ??= textOf(json.model) || undefined
  const error = errorOf(json)
  if (error) seen.error = error.code
  for (const choice of objectsOf(json.choices)) {
    const reason = textOf(choice.finish_reason)
    if (reason === '') continue
    // Some servers repeat a choice's reason: each replaces its last one.
    const place = Math.min(countOf(choice.index) ?? 0, seen.finishReasons.length)
    seen.finishReasons[Math.trunc(place)] = readFinish(reason, holds(choice))
  }
  seen.usage = usageOf(json) ?? seen.usage
}

function holds(choice: JsonObject): { calls: boolean; refusal: boolean } {
  const { tool_calls, function_call, refusal } = objectOf(choice.message ?? choice.delta)
  const calls = objectsOf(tool_calls).length > 0 || typeof function_call === 'object'
  return { calls: calls && function_call !== null, refusal: textOf(refusal) !== '' }
}

/** Where a chunk or an answer tells its usage: by itself, in Groq's `x_groq`, or in a choice (Moonshot). */
export function usageOf(json: JsonObject): ReturnType<typeof readUsage> {
  const inChoice = objectsOf(json.choices).find((choice) => typeof choice.usage === 'object' && choice.usage !== null)
  return readUsage(json.usage) ?? readUsage(objectOf(json.x_groq).usage) ?? readUsage(inChoice?.usage)
}
