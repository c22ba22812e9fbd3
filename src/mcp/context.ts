import type { McpRecord } from '../telemetry/record.ts'
import type { Incoming } from './endpoint.ts'
import type { McpError } from './errors.ts'
import type { JsonObject, Tool } from './protocol.ts'

/** What a request takes of the limits; it must be given back. */
export interface Admitted {
  readonly headers: readonly (readonly [string, string])[]
  /** When the time of the tree that it is part of is over, and what the client is told then. */
  readonly deadline?: { readonly inMs: number; readonly error: McpError } | undefined
  release(): void
}

/** What the MCP protocol needs of the rest of the gateway. */
export interface McpContext {
  /**
   * Asks the limits.
   * @throws {McpError} where one is used up
   */
  admit(
    incoming: Incoming,
    method: string,
    tool: { server: string; name: string; arguments: JsonObject; definition: Tool | undefined } | undefined,
  ): Admitted | Promise<Admitted>
  finished(record: McpRecord): void
  report(error: unknown, requestId: string): void
}

/** The arguments of a call without what they say. */
export function redacted(args: JsonObject): Record<string, string> {
  const shapes: Record<string, string> = {}
  for (const [name, value] of Object.entries(args).slice(0, 50))
    shapes[name.slice(0, 100)] =
      typeof value === 'string'
        ? `string(${value.length})`
        : Array.isArray(value)
          ? `array(${value.length})`
          : value === null
            ? 'null'
            : typeof value
  return shapes
}
