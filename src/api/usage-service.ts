import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect'
import type { UsageService } from '#gen/chaperone/v1/usage_pb.js'
import type { Books } from '../usage/books.ts'
import { type Dimension, dimensions } from '../usage/rollup.ts'

/** What was used; proto/chaperone/v1/usage.proto says what each method does. */
export function usageService(books: Books): ServiceImpl<typeof UsageService> {
  return {
    queryUsage: ({ from, to, by, ...values }) =>
      asking(async () => {
        const known = by.filter(
          (each): each is Dimension | 'day' => each === 'day' || dimensions.includes(each as Dimension),
        )
        if (known.length < by.length)
          throw new ConnectError(`by is made of day, ${dimensions.join(', ')}.`, Code.InvalidArgument)
        const only = Object.fromEntries(
          dimensions.flatMap((dimension) => (values[dimension] === '' ? [] : [[dimension, values[dimension]]])),
        )
        const rows = await books.usage({ from, to, by: known.length > 0 ? known : ['team'], only })
        return {
          rows: rows.map(({ group, requests, input, output, cached, reasoning, nanoUsd }) => ({
            group: [...group],
            requests: BigInt(requests),
            inputTokens: BigInt(input),
            outputTokens: BigInt(output),
            cachedTokens: BigInt(cached),
            reasoningTokens: BigInt(reasoning),
            usd: nanoUsd / 1_000_000_000,
          })),
        }
      }),
  }
}

/** Errors of the books in the API's words. */
export async function asking<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof RangeError) throw new ConnectError(error.message, Code.InvalidArgument)
    if (error instanceof ConnectError) throw error
    throw new ConnectError('The books cannot be reached.', Code.Unavailable, undefined, undefined, error)
  }
}
