import { createContextKey } from '@connectrpc/connect'
import type { Change } from '../audit/audit-log.ts'
import type { Operator } from './authorization.ts'

/** Who calls, for the handlers. */
export const operatorKey = createContextKey<Operator>(
  { name: 'nobody', role: 'viewer' },
  { description: 'who calls the management API' },
)

/** Told of each change. */
export type Audit = (change: Change) => void
