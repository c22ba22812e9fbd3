import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { readModel } from './answer.ts'
import { exceptionName } from './errors.ts'
import { readFinish } from './finish.ts'
import { readUsage } from './usage.ts'
import { objectOf, objectsOf, textOf } from './wire.ts'

/** @see ObservedDialect.observedKeys */
export const observedKeys: readonly string[] = ['usage', 'stopReason', '__type']

/** @see ObservedDialect.observe; the JSON of a whole answer. Streams are no server-sent events and never pass through. */
export function observe(json: JsonObject, seen: Observed): void {
  seen.model ??= textOf(readModel(json))
  seen.usage = readUsage(json.usage) ?? seen.usage
  const error = exceptionName(json)
  if (error !== undefined) seen.error = error
  const reason = textOf(json.stopReason)
  if (reason === undefined) return
  const blocks = objectsOf(objectOf(objectOf(json.output).message).content)
  seen.finishReasons.push(
    readFinish(
      reason,
      blocks.some(({ toolUse }) => toolUse !== undefined),
    ),
  )
}
