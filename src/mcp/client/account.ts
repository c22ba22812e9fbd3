import { isObject } from '../../json.ts'
import { type McpContext, redacted } from '../context.ts'
import type { Incoming } from '../endpoint.ts'
import { McpError } from '../errors.ts'
import type { Routed } from '../federation.ts'
import type { JsonObject, JsonRpcRequest } from '../protocol.ts'

/** Keeps the account of one request, and gives its record when it is done. */
export function account(context: McpContext, incoming: Incoming, era: 'legacy' | 'modern', { method }: JsonRpcRequest) {
  let routed: Routed | undefined
  let toolError: boolean | undefined
  let approvedBy: string | undefined
  let told = false
  const finish = (outcome: {
    code?: number
    reason?: string
    status?: number
    rule?: string | undefined
    server?: string
    name?: string
  }) => {
    if (told) return
    told = true
    const { requestId, endpoint, identity, listener, arrived, trace } = incoming
    const { kind, subject, user, team, organization, key, delegation } = identity
    const args = routed?.params.arguments
    const durationMs = performance.now() - arrived
    context.finished({
      requestId,
      endpoint: endpoint.name,
      method: method.slice(0, 100),
      era,
      caller: { identity: kind, subject, user, team, organization, key, listener, work: delegation },
      status: 200,
      ...(routed && { server: routed.server.name, ...(routed.name !== '' && { name: routed.name }) }),
      ...(isObject(args) && { arguments: redacted(args) }),
      ...(toolError !== undefined && { toolError }),
      ...(approvedBy !== undefined && { approvedBy }),
      ...outcome,
      startMs: Date.now() - durationMs,
      durationMs,
      traceparent: trace.traceparent,
    })
  }
  return {
    about(to: Routed): void {
      routed = to
    },
    result({ isError }: JsonObject): void {
      if (typeof isError === 'boolean') toolError = isError
    },
    approved(by: string): void {
      approvedBy = by
    },
    succeeded(): void {
      finish({})
    },
    failed(reason: string, code?: number, error?: unknown): void {
      finish({
        reason,
        status: error instanceof McpError ? error.status : reason === 'client_gone' ? 499 : 502,
        ...(code !== undefined && { code }),
        ...(error instanceof McpError && { rule: error.rule, ...(!routed && error.target) }),
      })
    },
  }
}
