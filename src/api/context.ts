import { createContextKey } from '@connectrpc/connect'
import type { Operator } from './authorization.ts'

/** Who calls, for the handlers. */
export const operatorKey = createContextKey<Operator>(
  { name: 'nobody', role: 'viewer' },
  { description: 'who calls the management API' },
)

/** A change, as it is audited. Free of secrets. */
export interface AuditEntry {
  /** Unix milliseconds. */
  readonly time: number
  readonly operator: string
  readonly role: string
  /** `publish`, `rollback`, `create_key`, `revoke_key`, `rotate_key`. */
  readonly action: string
  /** A revision's number, a key's id. */
  readonly subject: string
  /** `done`, or why not. */
  readonly outcome: string
}

export type Audit = (entry: AuditEntry) => void
