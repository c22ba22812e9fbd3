import { createHash, timingSafeEqual } from 'node:crypto'
import { Code, ConnectError } from '@connectrpc/connect'
import { type KeyRole, keyRoles } from '../identity/key-record.ts'
import type { KeyDirectory } from '../identity/key-store.ts'

/** Who calls the management API. */
export interface Operator {
  /** A key's id and name; `root` for the token of the environment. */
  readonly name: string
  readonly role: KeyRole
}

/** What each method asks for; one that is not here is nobody's. */
const needed: Readonly<Record<string, KeyRole>> = {
  'chaperone.v1.RuleService/GetHead': 'viewer',
  'chaperone.v1.RuleService/GetRevision': 'viewer',
  'chaperone.v1.RuleService/ListRevisions': 'viewer',
  'chaperone.v1.RuleService/Validate': 'editor',
  'chaperone.v1.RuleService/Publish': 'editor',
  'chaperone.v1.RuleService/Rollback': 'editor',
  'chaperone.v1.KeyService/GetKey': 'viewer',
  'chaperone.v1.KeyService/ListKeys': 'viewer',
  'chaperone.v1.KeyService/CreateKey': 'admin',
  'chaperone.v1.KeyService/RevokeKey': 'admin',
  'chaperone.v1.KeyService/RotateKey': 'admin',
  'chaperone.v1.UsageService/QueryUsage': 'viewer',
  'chaperone.v1.UsageService/GetTrace': 'viewer',
  'chaperone.v1.DecisionService/GetDecision': 'viewer',
  'chaperone.v1.DecisionService/ListDecisions': 'viewer',
  'chaperone.v1.DecisionService/Explain': 'viewer',
  'chaperone.v1.AuditService/ListChanges': 'viewer',
}

/** Failed attempts of one address in a minute, after which it must wait; and addresses remembered. */
const mostFailures = 20
const windowMs = 60_000
const mostAddresses = 10_000

/** Says who calls, by a virtual key with a role or the root token, and whether they may. */
export class Authorization {
  readonly #keys: KeyDirectory
  readonly #rootHash: Buffer | undefined
  readonly #failures = new Map<string, { count: number; since: number }>()
  readonly #now: () => number

  /** @param rootToken an admin's, for the first key; none: there is no such one */
  constructor(keys: KeyDirectory, rootToken: string | undefined, now: () => number = Date.now) {
    this.#keys = keys
    this.#rootHash = rootToken === undefined || rootToken === '' ? undefined : sha256(rootToken)
    this.#now = now
  }

  /**
   * @param method `chaperone.v1.RuleService/GetHead`
   * @param header the Authorization header
   * @param address where the call is from
   * @throws {ConnectError} unauthenticated, permission_denied, resource_exhausted
   */
  operator(method: string, header: string | null, address: string): Operator {
    const now = this.#now()
    const failures = this.#failures.get(address)
    if (failures && now - failures.since < windowMs && failures.count >= mostFailures)
      throw new ConnectError('Too many wrong credentials from this address. Wait a minute.', Code.ResourceExhausted)
    const operator = this.#identify(header, now)
    if (typeof operator === 'string') {
      this.#failed(address, now)
      throw new ConnectError(operator, Code.Unauthenticated)
    }
    const role = needed[method]
    if (role === undefined || keyRoles.indexOf(operator.role) < keyRoles.indexOf(role))
      throw new ConnectError(
        `This needs the role ${role ?? 'of nobody'}, and the key has ${operator.role}. Ask an admin for a key with it.`,
        Code.PermissionDenied,
      )
    return operator
  }

  #identify(header: string | null, now: number): Operator | string {
    const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
    if (token === undefined) return 'Show a key with a role: Authorization: Bearer chp_…'
    if (this.#rootHash && timingSafeEqual(sha256(token), this.#rootHash)) return { name: 'root', role: 'admin' }
    const record = this.#keys.verify(token, now)
    if (typeof record === 'string') return 'This key is not valid here. Ask an admin for one with a role.'
    if (record.role === undefined) return 'This key has no role: it is for agents. Ask an admin for one with a role.'
    return { name: `${record.id} (${record.name})`, role: record.role }
  }

  #failed(address: string, now: number): void {
    const failures = this.#failures.get(address)
    if (failures && now - failures.since < windowMs) failures.count++
    else {
      if (this.#failures.size >= mostAddresses) this.#failures.clear()
      this.#failures.set(address, { count: 1, since: now })
    }
  }
}

/** Whether somebody with a role may give another one. */
export function mayGrant(own: KeyRole, granted: KeyRole | undefined): boolean {
  return granted === undefined || keyRoles.indexOf(granted) <= keyRoles.indexOf(own)
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
