import { userInfo } from 'node:os'
import type { AuditLog, Change } from '../audit/audit-log.ts'
import { auditFile, FileAuditLog } from '../audit/file-audit-log.ts'
import { RedisAuditLog } from '../audit/redis-audit-log.ts'
import { withRedis } from './redis.ts'
import { reason } from './rules.ts'

export interface AuditOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  /** The file of virtual keys, where there is no store. */
  keys: string
  limit: number
  action?: string
  output: 'text' | 'json'
}

/**
 * `chaperone audit`: who changed what, the newest first.
 * @returns the exit code
 */
export async function audit(
  { store, tenant, keys, limit, action, output }: AuditOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  try {
    const list = (log: AuditLog) => log.list({ limit, action })
    const changes =
      store === undefined
        ? await list(new FileAuditLog(auditFile(keys)))
        : await withRedis(store, (client) => list(new RedisAuditLog(client, tenant)))
    write(output === 'json' ? `${JSON.stringify({ changes }, null, 2)}\n` : changes.map(line).join(''))
    return 0
  } catch (error) {
    process.stderr.write(`The audit log cannot be read: ${reason(error)}\n`)
    return 1
  }
}

const line = ({ time, operator, role, action, subject, outcome }: Change) =>
  `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')}  ${action}  ${subject}  ${outcome}  by ${operator}${role ? ` (${role})` : ''}\n`

/** Who works at this command line. */
export function operator(): string {
  return userInfo().username
}

/** Adds a change of the command line's. One that cannot be added is said: the change itself is made. */
export async function audited(log: AuditLog, change: Pick<Change, 'action' | 'subject' | 'outcome'>): Promise<void> {
  try {
    await log.add({ ...change, time: Date.now(), operator: operator() })
  } catch (error) {
    process.stderr.write(`The audit log cannot be written: ${reason(error)}\n`)
  }
}
