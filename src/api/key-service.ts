import { durationMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect'
import { type KeyService, Role } from '#gen/chaperone/v1/keys_pb.js'
import type { KeyRecord, KeyRole } from '../identity/key-record.ts'
import type { KeyStore } from '../identity/key-store.ts'
import { KeyStoreError } from '../identity/key-store-error.ts'
import { mayGrant } from './authorization.ts'
import { type Audit, operatorKey } from './context.ts'

const roles: Readonly<Record<KeyRole, Role>> = { viewer: Role.VIEWER, editor: Role.EDITOR, admin: Role.ADMIN }

/** Virtual keys over the API; proto/chaperone/v1/keys.proto says what each method does. */
export function keyService(store: KeyStore, audit: Audit): ServiceImpl<typeof KeyService> {
  /** Runs a change and audits it, whatever comes of it. */
  const change = async <T>(
    action: string,
    context: HandlerContext,
    subject: string,
    run: () => Promise<T & { key: { id: string } }>,
  ): Promise<T & { key: { id: string } }> => {
    const { name: operator, role } = context.values.get(operatorKey)
    const told = (of: string, outcome: string) =>
      audit({ time: Date.now(), operator, role, action, subject: of.slice(0, 200), outcome })
    try {
      const done = await run()
      told(done.key.id, 'done')
      return done
    } catch (error) {
      told(subject, error instanceof KeyStoreError ? error.code : 'failed')
      throw inApiWords(error)
    }
  }
  return {
    createKey: (request, context) =>
      change('create_key', context, request.name, async () => {
        const { name, user, team, organization, models, servers, expiresAt } = request
        const role = roleOf(request.role)
        const operator = context.values.get(operatorKey)
        if (!mayGrant(operator.role, role))
          throw new ConnectError('A key cannot give a role above its own.', Code.PermissionDenied)
        const issued = await store.create({
          name,
          createdBy: operator.name.slice(0, 200),
          ...(user !== '' && { user }),
          ...(team !== '' && { team }),
          ...(organization !== '' && { organization }),
          ...(models.length > 0 && { models }),
          ...(servers.length > 0 && { servers }),
          ...(role !== undefined && { role }),
          ...(expiresAt && { expiresAt: timestampMs(expiresAt) }),
        })
        return { key: shown(issued.record), text: issued.text }
      }),
    getKey: ({ id }) =>
      asking(async () => {
        const record = await store.get(id)
        if (!record) throw new ConnectError(`There is no key ${JSON.stringify(id.slice(0, 40))}.`, Code.NotFound)
        return { key: shown(record) }
      }),
    listKeys: ({ user, team, organization, state, limit, cursor }) =>
      asking(async () => {
        const states = ['active', 'expired', 'revoked'] as const
        const wanted = states.find((each) => each === state)
        if (state !== '' && !wanted)
          throw new ConnectError(`state is one of ${states.join(', ')}.`, Code.InvalidArgument)
        const page = await store.list({
          ...(user !== '' && { user }),
          ...(team !== '' && { team }),
          ...(organization !== '' && { organization }),
          ...(wanted && { state: wanted }),
          ...(limit > 0 && { limit: Math.min(limit, 1_000) }),
          ...(cursor !== '' && { cursor }),
        })
        return { keys: page.keys.map(shown), next: page.next ?? '' }
      }),
    revokeKey: ({ id }, context) =>
      change('revoke_key', context, id, async () => ({ key: shown(await store.revoke(id)) })),
    rotateKey: ({ id, grace }, context) =>
      change('rotate_key', context, id, async () => {
        const before = await store.get(id)
        if (before && !mayGrant(context.values.get(operatorKey).role, before.role))
          throw new ConnectError('A key cannot give a role above its own.', Code.PermissionDenied)
        const issued = await store.rotate(id, grace ? { graceMs: durationMs(grace) } : {})
        return { key: shown(issued.record), text: issued.text }
      }),
  }
}

async function asking<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw inApiWords(error)
  }
}

const codes: Readonly<Record<KeyStoreError['code'], Code>> = {
  not_found: Code.NotFound,
  invalid: Code.InvalidArgument,
  revoked: Code.FailedPrecondition,
  conflict: Code.Aborted,
  unavailable: Code.Unavailable,
}

function inApiWords(error: unknown): unknown {
  return error instanceof KeyStoreError ? new ConnectError(error.message, codes[error.code]) : error
}

function roleOf(role: Role): KeyRole | undefined {
  if (role === Role.UNSPECIFIED) return undefined
  const found = (Object.keys(roles) as KeyRole[]).find((name) => roles[name] === role)
  if (!found) throw new ConnectError('There is no such role.', Code.InvalidArgument)
  return found
}

function shown(record: KeyRecord) {
  const { id, name, user = '', team = '', organization = '', models = [], servers = [], role, createdBy = '' } = record

  return {
    ...{ id, name, user, team, organization, createdBy, lastFour: record.lastFour },
    models: [...models],
    servers: [...servers],
    role: role === undefined ? Role.UNSPECIFIED : roles[role],
    createdAt: timestampFromMs(record.createdAt),
    ...(record.expiresAt !== undefined && { expiresAt: timestampFromMs(record.expiresAt) }),
    ...(record.revokedAt !== undefined && { revokedAt: timestampFromMs(record.revokedAt) }),
    ...(record.graceUntil !== undefined && { graceUntil: timestampFromMs(record.graceUntil) }),
  }
}
