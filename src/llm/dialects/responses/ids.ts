import type { AnswerContext } from '../../dialect.ts'

/**
 * Ids of a translated answer's items. The API wants each kind's own prefix back (`msg_`, `fc_`, `rs_`). They are
 * marked as made here, because a reasoning id that OpenAI did not give must never reach it: its encrypted content is
 * bound to the id that OpenAI gave.
 */
export function makeItemId(prefix: 'msg' | 'fc' | 'rs', context: AnswerContext, outputIndex: number): string {
  return `${prefix}_chaperone_${context.id}_${outputIndex}`
}

/** What makeItemId makes for reasoning. */
export const madeItemId = /^rs_chaperone_/

/** The answer's id: the provider's where it is a Responses id, else one made of what there is. */
export function responseId(id: string, context: AnswerContext): string {
  if (id === '') return `resp_${context.id}`
  return id.startsWith('resp_') ? id : `resp_${id}`
}
