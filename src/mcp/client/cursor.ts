import { boundTo, type Incoming } from '../endpoint.ts'
import { invalidParams } from '../errors.ts'
import type { ListPosition } from '../federation.ts'
import type { Sealer } from '../seal.ts'

/** Seconds that a list may be gone on with. */
const lifetimeS = 3600

/** Where a list goes on, as the client holds it: for this caller, this endpoint and this list only. */
export function sealCursor(sealer: Sealer, incoming: Incoming, method: string, next: ListPosition): string {
  return sealer.seal('cursor', `${boundTo(incoming)}\0${method}`, next, Date.now() / 1000 + lifetimeS)
}

/** @throws {McpError} where the cursor is none of ours */
export function openCursor(
  sealer: Sealer,
  incoming: Incoming,
  method: string,
  cursor: unknown,
): ListPosition | undefined {
  if (cursor === undefined) return undefined
  const opened =
    typeof cursor === 'string'
      ? sealer.open('cursor', `${boundTo(incoming)}\0${method}`, cursor, Date.now() / 1000)
      : 'invalid'
  if (typeof opened === 'string') throw invalidParams('Invalid cursor: begin again without one.', 'invalid_cursor')
  return opened.value as ListPosition
}
