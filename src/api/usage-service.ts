import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect'
import type { TreeNodeSchema, UsageService } from '#gen/chaperone/v1/usage_pb.js'
import type { Books } from '../usage/books.ts'
import { type CallNode, type CallTree, callTrees, type Spent } from '../usage/call-tree.ts'
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
    getTrace: ({ id }) =>
      asking(async () => {
        const trees = callTrees(await books.calls(id))
        if (trees.length === 0) throw new ConnectError('Nothing is known of this id, or it is too old.', Code.NotFound)
        return { trees: trees.map(shownTree) }
      }),
  }
}

function shownTree({ id, subject, budgets, roots, total }: CallTree) {
  return {
    id,
    subject,
    budgets: budgets.map(({ until: _, ...budget }) => ({ ...budget })),
    roots: roots.map(shownNode),
    total: shownSpent(total),
  }
}

type ShownNode = MessageInitShape<typeof TreeNodeSchema>

function shownNode({ call, underWay, own, total, children }: CallNode): ShownNode {
  const { kind, from, to, operation, requestId, time, durationMs, status } = call
  return {
    ...{ kind, from, to, operation, requestId, durationMs, status, underWay },
    traceId: call.traceId ?? '',
    taskId: call.taskId ?? '',
    state: call.state ?? '',
    code: call.code ?? '',
    rule: call.rule ?? '',
    provider: call.provider ?? '',
    time: timestampFromMs(time),
    own: shownSpent(own),
    total: shownSpent(total),
    children: children.map(shownNode),
  }
}

function shownSpent({ modelCalls, toolCalls, delegations, failures, input, output, nanoUsd }: Spent) {
  return {
    modelCalls: BigInt(modelCalls),
    toolCalls: BigInt(toolCalls),
    delegations: BigInt(delegations),
    failures: BigInt(failures),
    inputTokens: BigInt(input),
    outputTokens: BigInt(output),
    usd: nanoUsd / 1_000_000_000,
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
