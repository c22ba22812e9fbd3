import { ApiError } from '../../errors.ts'

export { answerContext, client, cut, encode, eventsOf, read, requestContext, streamOf } from '../chat/testing.ts'

/** @returns the error of this API's kind that is thrown; any other goes on */
export function errorOf(run: () => unknown): ApiError {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
