import type { JsonObject } from '../../json.ts'
import type { EgressResponse } from '../../mcp/server/egress.ts'
import { A2aError } from '../errors.ts'
import { FrameReader } from '../grpc/frames.ts'
import type { A2aOperation, Wire } from '../operations.ts'
import { readGrpcTrailers } from '../read-error.ts'
import { readMessage } from '../translate/wire.ts'

/** What agents answer by gRPC: messages as they come, and a status at the end (PROTOCOL-HTTP2.md of grpc/grpc). */

/**
 * The messages of an agent's answer, in the neutral form.
 * @param longest the longest message, bytes
 * @param came told of each piece
 * @throws {A2aError} the agent's own, or `invalidAgentResponse` where it is no answer of A2A
 */
export async function* grpcMessages(
  answer: EgressResponse,
  operation: A2aOperation,
  wire: Wire,
  longest: number,
  came: () => void,
): AsyncGenerator<JsonObject> {
  const failed = statusIn(answer.headers)
  if (failed) throw failed
  requireGrpc(answer)
  const reader = new FrameReader(longest)
  try {
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      came()
      for (const message of reader.push(piece)) yield readMessage(operation, message, wire)
    }
  } finally {
    answer.body.destroy()
  }
  const status = answer.trailers['grpc-status'] === undefined ? answer.headers : answer.trailers
  if (status['grpc-status'] === undefined)
    throw new A2aError('unavailable', 'The agent’s answer ends without a status; the task may go on: ask for it')
  const error = statusIn(status)
  if (error) throw error
  if (!reader.whole) throw new A2aError('invalidAgentResponse', 'The agent’s answer ends inside a message')
}

/** The only message of an answer. @throws {A2aError} as `grpcMessages`, and where it is none or more than one */
export async function onlyMessage(messages: AsyncIterable<JsonObject>): Promise<JsonObject> {
  let only: JsonObject | undefined
  for await (const message of messages) {
    if (only) throw new A2aError('invalidAgentResponse', 'The agent answered with more than one message')
    only = message
  }
  if (!only) throw new A2aError('invalidAgentResponse', 'The agent answered with nothing')
  return only
}

/** The HTTP status that an agent's refusal of credentials would have in the other bindings. */
export function refusalOf({ status, headers }: EgressResponse): number {
  if (headers['grpc-status'] === '16') return 401
  return headers['grpc-status'] === '7' ? 403 : status
}

/** The error in headers or trailers. @returns undefined where they have none */
function statusIn(headers: Readonly<Record<string, string | string[] | undefined>>): A2aError | undefined {
  if (headers['grpc-status'] === undefined) return undefined
  const texts = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    String(Array.isArray(value) ? value[0] : value),
  ])
  return readGrpcTrailers(new Map(texts))
}

/** What stands before an agent answers without gRPC. */
function requireGrpc({ status, headers }: EgressResponse): void {
  if (status === 200 && String(headers['content-type']).startsWith('application/grpc')) return
  if (status === 429 || status >= 502)
    throw new A2aError('unavailable', `The agent cannot be reached: what stands before it answers with ${status}`)
  throw new A2aError('invalidAgentResponse', `The agent does not answer with gRPC, but with HTTP status ${status}`)
}
