import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { isObject, objectOf, textOf } from '../../fields.ts'
import { readFinish } from './finish.ts'
import { readUsage } from './usage.ts'
import { writeUsage } from './write-usage.ts'

/** @see ObservedDialect.observedKeys; of a stream, `message_start`, `message_delta` and `error` have one of them. */
export const observedKeys: readonly string[] = ['usage', 'error']

/** @see ObservedDialect.observe */
export function observe(json: JsonObject, seen: Observed): void {
  switch (json.type) {
    case 'message':
      observeMessage(json, seen)
      break
    case 'message_start':
      observeMessage(objectOf(json.message), seen)
      break
    case 'message_delta':
      observeUsage(json.usage, seen)
      observeEnding(objectOf(json.delta), seen)
      break
    case 'error':
      seen.error = textOf(objectOf(json.error).type) || 'api_error'
      break
  }
}

function observeMessage(message: JsonObject, seen: Observed): void {
  seen.id ??= textOf(message.id) || undefined
  seen.model ??= textOf(message.model) || undefined
  observeUsage(message.usage, seen)
  observeEnding(message, seen)
}

/** The figures of an event are totals; what a later one leaves out or leaves open stays as it was. */
function observeUsage(usage: unknown, seen: Observed): void {
  if (!isObject(usage)) return
  const told = Object.entries(usage).filter(([, value]) => (value ?? undefined) !== undefined)
  const merged = readUsage({ ...(seen.usage && writeUsage(seen.usage)), ...Object.fromEntries(told) })
  if (merged) seen.usage = merged
}

function observeEnding({ stop_reason: reason }: JsonObject, seen: Observed): void {
  if (typeof reason !== 'string') return
  const finish = readFinish(reason, false)
  seen.finishReasons.push(finish === 'error' ? reason : finish)
}
