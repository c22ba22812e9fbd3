import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { errorOf } from './errors.ts'
import { blockReason, readFinish } from './finish.ts'
import { readUsage } from './usage.ts'
import { isObject, objectOf, objectsOf, textOf } from './wire.ts'

/** @see ObservedDialect.observedKeys */
export const observedKeys: readonly string[] = ['usageMetadata', 'finishReason', 'promptFeedback', 'error']

/**
 * @see ObservedDialect.observe
 * Old models repeat their finish reason on every event, so each candidate's replaces its last one.
 */
export function observe(json: JsonObject, seen: Observed): void {
  seen.id ??= textOf(json.responseId)
  seen.model ??= textOf(json.modelVersion)
  seen.usage = readUsage(json.usageMetadata) ?? seen.usage
  const error = errorOf(json)
  if (error) seen.error = textOf(error.status) ?? 'error'
  if (blockReason(json) !== undefined) seen.finishReasons[0] ??= 'content_filter'
  for (const candidate of objectsOf(json.candidates)) {
    const reason = textOf(candidate.finishReason)
    if (reason === undefined) continue
    const called = objectsOf(objectOf(candidate.content).parts).some((part) => isObject(part.functionCall))
    const at = typeof candidate.index === 'number' ? candidate.index : 0
    seen.finishReasons[Math.min(Math.max(Math.trunc(at), 0), seen.finishReasons.length)] = readFinish(reason, called)
  }
}
