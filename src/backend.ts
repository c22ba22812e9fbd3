import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { machineKey } from './a2a/push/machine-key.ts'
import { FilePushStore } from './a2a/push/store/file-push-store.ts'
import { MemoryPushStore } from './a2a/push/store/memory-push-store.ts'
import { pushJournal } from './a2a/push/store/push-journal.ts'
import { RedisPushStore } from './a2a/push/store/redis-push-store.ts'
import type { PushParts } from './a2a/state.ts'
import type { Owners } from './a2a/tasks/owners.ts'
import { RedisOwners } from './a2a/tasks/redis-owners.ts'
import type { AuditLog } from './audit/audit-log.ts'
import { auditFile, FileAuditLog } from './audit/file-audit-log.ts'
import { RedisAuditLog } from './audit/redis-audit-log.ts'
import { FileKeyStore } from './identity/file-key-store.ts'
import type { KeyStore } from './identity/key-store.ts'
import { MemoryKeyStore } from './identity/memory-key-store.ts'
import { RedisKeyStore } from './identity/redis-key-store.ts'
import type { Authority } from './limits/authority.ts'
import { FileJournal, type Journal } from './limits/journal.ts'
import { MemoryAuthority } from './limits/memory-authority.ts'
import { RedisAuthority } from './limits/redis-authority.ts'
import { FileTokenStore } from './mcp/oauth/file-token-store.ts'
import { MemoryTokenStore } from './mcp/oauth/memory-token-store.ts'
import { RedisTokenStore } from './mcp/oauth/redis-token-store.ts'
import type { TokenStore } from './mcp/oauth/token-store.ts'
import { FilePinStore } from './mcp/pins/file-pin-store.ts'
import { MemoryPinStore } from './mcp/pins/memory-pin-store.ts'
import type { PinStore } from './mcp/pins/pin-store.ts'
import { RedisPinStore } from './mcp/pins/redis-pin-store.ts'
import { validateRuleFiles } from './rule-check.ts'
import { LastGood } from './store/last-good.ts'
import { connectRedis } from './store/redis-client.ts'
import { RedisRuleStore } from './store/redis-rule-store.ts'
import type { RuleStore } from './store/rule-store.ts'
import { adoptSlots, slotOf } from './takeover/slots.ts'
import type { Books } from './usage/books.ts'
import { MemoryBooks } from './usage/memory-books.ts'
import { RedisBooks } from './usage/redis-books.ts'
import { Soon } from './usage/soon.ts'

/** A busy process writes this often what was settled. */
const journalMs = 10

/** What sidecars share, or what one machine has by itself. */
export interface Backend {
  readonly keys: KeyStore
  /** Who changed what; none where nothing can be changed. */
  readonly auditLog?: AuditLog | undefined
  readonly authority: Authority
  /** This process's name at the authority. */
  readonly sidecar: string
  /** What was settled and not told yet; none where counts are in memory anyway. */
  readonly journal?: Journal | undefined
  /** Where revisions come from; none where the rules are a file. */
  readonly rules?: { readonly store: RuleStore; readonly lastGood: LastGood } | undefined
  /** Approvals of MCP tools. */
  readonly pins: PinStore
  /** What users authorized at MCP servers. */
  readonly tokens: TokenStore
  /** Whose tasks of agents are whose; none: as the process knows. */
  readonly taskOwners?: Owners | undefined
  /** Clients' callbacks for tasks of agents. */
  readonly push: PushParts
  /** Usage and decisions. */
  readonly books: Books
  /** Where usage is until the books have it; none where they are in memory anyway. */
  readonly usageDirectory?: string | undefined
  close(): Promise<void>
}

/** Where shared things are. */
export interface SharedOptions {
  /** URL of a Redis; see store/redis-client.ts. */
  store: string
  /** Whose rules, keys and counts. */
  tenant: string
  /** A directory of this service's own, for a start without Redis and for what was settled. */
  state: string
  /** Which part of it, where services share it of which one takes the other's place; default: 0. */
  slot?: number | undefined
  /** Parts that others have. */
  taken?: readonly number[] | undefined
}

/**
 * One machine by itself: counts in memory.
 * @param keysFile the file of virtual keys; none: there are none
 * @param pinsFile the file of approved tools; none: they are forgotten with the process
 * @param tokensFile the file of what users authorized at MCP servers; none: it is forgotten with the process
 * @param state the directory for clients' callbacks; none: they are forgotten with the process
 * @throws {KeyStoreError | PinStoreError}
 */
export async function localBackend(
  keysFile: string | undefined,
  report: (error: unknown) => void,
  pinsFile?: string,
  tokensFile?: string,
  state?: string,
): Promise<Backend> {
  const tokens = tokensFile === undefined ? new MemoryTokenStore() : new FileTokenStore(tokensFile)
  const pins = pinsFile === undefined ? new MemoryPinStore() : await FilePinStore.open(pinsFile, { report })
  const keys =
    keysFile === undefined
      ? new MemoryKeyStore()
      : await FileKeyStore.open(keysFile, { report }).catch(async (error: unknown) => {
          await pins.close()
          throw error
        })
  const push = localPush(state)
  return {
    keys,
    auditLog: keysFile === undefined ? undefined : new FileAuditLog(auditFile(keysFile)),
    pins,
    tokens,
    push,
    authority: new MemoryAuthority(),
    sidecar: randomUUID(),
    books: new MemoryBooks(),
    async close() {
      await keys.close()
      await pins.close()
      await push.store.close()
    },
  }
}

/** Callbacks in a file, or as long as the process lives. Nothing is written where nobody asks for any. */
function localPush(state: string | undefined): PushParts {
  if (state !== undefined) return { store: new FilePushStore(pushJournal(state)), keys: () => [machineKey(state)] }
  const own = { id: 'p', secret: randomBytes(32) }
  return { store: new MemoryPushStore(), keys: () => [own] }
}

/**
 * Rules, keys and counts in Redis. A Redis that is away is no error here.
 * @throws {RangeError} where the URL or the tenant is none
 * @throws {Error} where the directory cannot be had
 */
export async function sharedBackend(
  { store: url, tenant, state, slot = 0, taken = [] }: SharedOptions,
  report: (error: unknown) => void,
): Promise<Backend> {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const part = slotOf(state, slot)
  adoptSlots(state, slot, taken)
  const client = connectRedis(url, report)
  try {
    const store = new RedisRuleStore(client, tenant, validateRuleFiles)
    const sidecar = randomUUID()
    const keys = await RedisKeyStore.open(client, { tenant, lastKnownFile: join(state, 'keys.json'), report })
    const pins = await RedisPinStore.open(client, { tenant, lastKnownFile: join(state, 'mcp-pins.json'), report })
    return {
      keys,
      auditLog: new RedisAuditLog(client, tenant),
      pins,
      tokens: new RedisTokenStore(client, tenant),
      taskOwners: new RedisOwners(client, tenant),
      // Replicas that share callbacks share keys: those of the rules.
      push: { store: new RedisPushStore(client, tenant), keys: () => [] },
      authority: new RedisAuthority(client, tenant),
      sidecar,
      journal: new FileJournal(part.journal, sidecar, (write) => new Soon(write, journalMs)),
      books: new RedisBooks(client, tenant),
      usageDirectory: part.usage,
      rules: { store, lastGood: new LastGood(join(state, 'rules.json')) },
      async close() {
        await keys.close()
        await pins.close()
        await store.close()
        client.disconnect()
      },
    }
  } catch (error) {
    client.disconnect()
    throw error
  }
}
