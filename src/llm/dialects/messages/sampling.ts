import type { Conversation } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { definedOnly } from '../../fields.ts'
import { claudeModel } from './model.ts'

export interface Sampling {
  temperature?: number
  top_p?: number
  top_k?: number
}

/**
 * How tokens are chosen. What a client says as it is anyway, a temperature or top_p of 1, stays unsaid: many clients
 * always send these, while models since 4.5 refuse the two together and those since 4.7 take neither, nor top_k.
 *
 * @throws {ApiError} 400 where the model does not take what is asked
 */
export function writeSampling({ temperature, topP, topK }: Conversation, context: RequestContext): Sampling {
  if (temperature !== undefined && (temperature < 0 || temperature > 1))
    context.refuse('temperature', 'Claude takes a temperature from 0 to 1. Choose one of these.')
  const sampling = definedOnly<Sampling>({
    temperature: temperature === 1 ? undefined : temperature,
    top_p: topP === 1 ? undefined : topP,
    top_k: topK,
  })
  const { version, untold } = claudeModel(context.model)
  const [field] = Object.keys(sampling)
  if (field !== undefined && version >= 407 && !untold)
    context.refuse(field, `Claude since 4.7 takes no ${field}. Leave it out, or choose an earlier model.`)
  return sampling
}
