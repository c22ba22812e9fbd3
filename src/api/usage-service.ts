import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect'
import type { DecisionService, UsageService } from '#gen/chaperone/v1/usage_pb.js'
import type { Books } from '../usage/books.ts'
import type { DecisionEntry } from '../usage/entry.ts'
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

/** What was decided. */
export function decisionService(books: Books): ServiceImpl<typeof DecisionService> {
  return {
    getDecision: ({ requestId }) =>
      asking(async () => {
        const decision = await books.decision(requestId)
        if (!decision)
          throw new ConnectError('There is no decision about this request, or it is too old.', Code.NotFound)
        return { decision: shown(decision) }
      }),
    listDecisions: ({ limit, refusedOnly }) =>
      asking(async () => ({
        decisions: (await books.decisions({ limit: limit > 0 ? Math.min(limit, 1_000) : 100, refusedOnly })).map(shown),
      })),
  }
}

async function asking<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof RangeError) throw new ConnectError(error.message, Code.InvalidArgument)
    if (error instanceof ConnectError) throw error
    throw new ConnectError('The books cannot be reached.', Code.Unavailable, undefined, undefined, error)
  }
}

function shown(decision: DecisionEntry) {
  const { time, subject, organization, team, user, key, code, rule, downgraded, attempts, ...rest } = decision
  const text = (value: string | undefined) => value ?? ''
  return {
    ...rest,
    time: timestampFromMs(time),
    subject: text(subject),
    organization: text(organization),
    team: text(team),
    user: text(user),
    key: text(key),
    code: text(code),
    rule: text(rule),
    downgraded: text(downgraded),
    attempts: [...(attempts ?? [])],
  }
}
