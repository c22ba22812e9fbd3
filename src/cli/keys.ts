import type { AuditLog } from '../audit/audit-log.ts'
import { auditFile, FileAuditLog } from '../audit/file-audit-log.ts'
import { RedisAuditLog } from '../audit/redis-audit-log.ts'
import { durationMs } from '../config/schema.ts'
import { FileKeyStore } from '../identity/file-key-store.ts'
import type { IssuedKey, KeyRecord } from '../identity/key-record.ts'
import type { KeyQuery, KeyStore } from '../identity/key-store.ts'
import { KeyStoreError } from '../identity/key-store-error.ts'
import { RedisKeyStore } from '../identity/redis-key-store.ts'
import { StoreError } from '../store/rule-store.ts'
import { audited, operator } from './audit.ts'
import { withRedis } from './redis.ts'

/** `chaperone keys …`: virtual keys on the command line. Each returns the exit code. */

export interface KeysOptions {
  /** The file of keys, where there is no store. */
  keys: string
  /** URL of a Redis. */
  store?: string
  tenant: string
  output: 'text' | 'json'
}

type Write = (text: string) => void
const print: Write = (text) => void process.stdout.write(text)
const complain: Write = (text) => void process.stderr.write(text)

export interface CreateOptions extends KeysOptions {
  name: string
  user?: string
  team?: string
  organization?: string
  models?: string[]
  servers?: string[]
  role?: 'viewer' | 'editor' | 'admin'
  /** A duration such as `720h`; absent: it never expires. */
  expires?: string
}

export function createKey(options: CreateOptions, write = print): Promise<number> {
  const { keys: _, store: _store, tenant: _tenant, output, expires, ...grants } = options
  return withKeys(options, async (store, log) => {
    const expiresAt = expires === undefined ? undefined : Date.now() + durationOf(expires, '--expires')
    const createdBy = operator()
    const issued = await store.create({ ...grants, createdBy, ...(expiresAt !== undefined && { expiresAt }) })
    await audited(log, { action: 'create_key', subject: issued.record.id, outcome: 'done' })
    write(output === 'json' ? json(shown(issued)) : issuedText(issued, 'created'))
  })
}

export function listKeys(options: KeysOptions & KeyQuery, write = print): Promise<number> {
  const { keys: _, store: _store, tenant: _tenant, output, ...query } = options
  return withKeys(options, async (store) => {
    const records: KeyRecord[] = []
    let cursor: string | undefined
    do {
      const page = await store.list({ ...query, ...(cursor !== undefined && { cursor }) })
      records.push(...page.keys)
      cursor = page.next
    } while (cursor !== undefined && query.limit === undefined)
    write(output === 'json' ? json({ keys: records }) : tableOf(records))
  })
}

export function revokeKey(id: string, options: KeysOptions, write = print): Promise<number> {
  return withKeys(options, async (store, log) => {
    const record = await store.revoke(id)
    await audited(log, { action: 'revoke_key', subject: id, outcome: 'done' })
    write(options.output === 'json' ? json(record) : `The key ${record.id} (${record.name}) is revoked.\n`)
  })
}

export function rotateKeyOf(id: string, options: KeysOptions & { grace?: string }, write = print): Promise<number> {
  return withKeys(options, async (store, log) => {
    const graceMs = options.grace === undefined ? undefined : durationOf(options.grace, '--grace')
    const issued = await store.rotate(id, graceMs === undefined ? {} : { graceMs })
    await audited(log, { action: 'rotate_key', subject: id, outcome: 'done' })
    write(options.output === 'json' ? json(shown(issued)) : issuedText(issued, 'given a new secret'))
  })
}

async function withKeys(
  { keys, store: url, tenant }: KeysOptions,
  use: (store: KeyStore, log: AuditLog) => Promise<void>,
): Promise<number> {
  const report = () => undefined
  const work = async (store: KeyStore, log: AuditLog) => {
    try {
      await use(store, log)
    } finally {
      await store.close()
    }
  }
  try {
    if (url === undefined) await work(await FileKeyStore.open(keys, { report }), new FileAuditLog(auditFile(keys)))
    else
      await withRedis(url, async (client) =>
        work(await RedisKeyStore.open(client, { tenant, report }), new RedisAuditLog(client, tenant)),
      )
    return 0
  } catch (error) {
    const known = [KeyStoreError, StoreError, RangeError].some((kind) => error instanceof kind)
    if (!known) throw error
    complain(`${(error as Error).message}\n`)
    return 1
  }
}

function durationOf(text: string, option: string): number {
  try {
    return durationMs(text)
  } catch {
    throw new RangeError(`${option} must be a duration such as 30m, 24h or 720h`)
  }
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
const shown = ({ record, text }: IssuedKey) => ({ ...record, key: text })

function issuedText({ record, text }: IssuedKey, what: string): string {
  const until = record.expiresAt === undefined ? 'never' : new Date(record.expiresAt).toISOString()
  const grace =
    record.graceUntil === undefined
      ? ''
      : `  the secret before it works until ${new Date(record.graceUntil).toISOString()}\n`
  return `The key ${record.id} (${record.name}) was ${what}. It is shown this once:

  ${text}

  expires ${until}
${grace}`
}

function tableOf(records: readonly KeyRecord[]): string {
  const rows = records.map((record) => [
    record.id,
    record.name,
    record.user ?? '',
    record.team ?? '',
    `…${record.lastFour}`,
    stateOf(record),
  ])
  const all = [['ID', 'NAME', 'USER', 'TEAM', 'KEY', 'STATE'], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function stateOf({ revokedAt, expiresAt }: KeyRecord): string {
  if (revokedAt !== undefined) return `revoked ${day(revokedAt)}`
  if (expiresAt === undefined) return 'active'
  return expiresAt <= Date.now() ? `expired ${day(expiresAt)}` : `active until ${day(expiresAt)}`
}

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)
