import { isObject } from '../../json.ts'
import { type McpContext, redacted } from '../context.ts'
import type { Incoming } from '../endpoint.ts'
import { McpError } from '../errors.ts'
import type { Routed } from '../federation.ts'
import type { JsonObject, JsonRpcRequest } from '../protocol.ts'

/** Keeps the account of one request, and gives its record when it is done. */
export function account(
  context: McpContext,
  incoming: Incoming,
  era: 'legacy' | 'modern',
  { method, params }: JsonRpcRequest,
) {
  let routed: Routed | undefined
  let toolError: boolean | undefined
  let told = false
  const finish = (outcome: {
    code?: number
    reason?: string
    rule?: string | undefined
    server?: string
    name?: string
  }) => {
    if (told) return
    told = true
    const { requestId, endpoint, identity, listener, arrived, headers } = incoming
    const { kind, subject, user, team, organization, key } = identity
    const args = routed?.params.arguments
    const durationMs = performance.now() - arrived
    context.finished({
      requestId,
      endpoint: endpoint.name,
      method: method.slice(0, 100),
      era,
      caller: { identity: kind, subject, user, team, organization, key, listener },
      ...(routed && { server: routed.server.name, ...(routed.name !== '' && { name: routed.name }) }),
      ...(isObject(args) && { arguments: redacted(args) }),
      ...(toolError !== undefined && { toolError }),
      ...outcome,
      startMs: Date.now() - durationMs,
      durationMs,
      traceparent: traceparentIn(params) ?? headers.get('traceparent'),
    })
  }
  return {
    about(to: Routed): void {
      routed = to
    },
    result({ isError }: JsonObject): void {
      if (typeof isError === 'boolean') toolError = isError
    },
    succeeded(): void {
      finish({})
    },
    failed(reason: string, code?: number, error?: unknown): void {
      finish({
        reason,
        ...(code !== undefined && { code }),
        ...(error instanceof McpError && { rule: error.rule, ...(!routed && error.target) }),
      })
    },
  }
}

/** The trace that the client says its request is part of (2026-07-28, OpenTelemetry trace context). */
function traceparentIn(params: JsonObject | undefined): string | undefined {
  const said = isObject(params?._meta) ? params._meta.traceparent : undefined
  return typeof said === 'string' && /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(said) ? said : undefined
}
