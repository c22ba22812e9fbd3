import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { isObject, textOf } from '../../fields.ts'
import { readFailure } from '../openai/errors.ts'
import { readFinish } from './finish.ts'
import { readUsage } from './usage.ts'

/** @see ObservedDialect.observedKeys; every event that carries the whole response has a `usage`, if only null. */
export const observedKeys: readonly string[] = ['usage', 'error']

/** @see ObservedDialect.observe; takes an event that carries a response, an `error` event, or a whole response. */
export function observe(json: JsonObject, seen: Observed): void {
  if (json.type === 'error') {
    seen.error = readFailure(isObject(json.error) ? json.error : { ...json, type: undefined }).code
    return
  }
  const response = isObject(json.response) ? json.response : json
  if (response.object !== 'response') return
  seen.id ??= textOf(response.id) || undefined
  seen.model ??= textOf(response.model) || undefined
  seen.usage = readUsage(response.usage) ?? seen.usage
  if (isObject(response.error)) seen.error = readFailure(response.error).code
  if (response.status !== 'in_progress' && response.status !== 'queued') seen.finishReasons = [readFinish(response)]
}
