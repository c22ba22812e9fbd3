import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect'
import type { AuditService } from '#gen/chaperone/v1/audit_pb.js'
import type { AuditLog, Change } from '../audit/audit-log.ts'

/** Who changed what; proto/chaperone/v1/audit.proto says what the method does. */
export function auditService(log: AuditLog): ServiceImpl<typeof AuditService> {
  return {
    listChanges: async ({ limit, action }) => {
      let changes: Change[]
      try {
        changes = await log.list({
          limit: limit > 0 ? Math.min(limit, 1_000) : 100,
          ...(action !== '' && { action }),
        })
      } catch (error) {
        throw new ConnectError('The audit log cannot be read.', Code.Unavailable, undefined, undefined, error)
      }
      return { changes: changes.map(shown) }
    },
  }
}

const shown = ({ time, role = '', operator, action, subject, outcome }: Change) => ({
  ...{ operator, role, action, subject, outcome },
  time: timestampFromMs(time),
})
