import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import type { Identity, Unidentified } from '../../identity/identity.ts'
import { MemoryOwners } from '../tasks/memory-owners.ts'
import { Box } from './box.ts'
import { type CallbackRequest, Receiver, type ReceiverParts } from './receiver.ts'
import { newCredential, type Registration } from './registration.ts'
import { newCallbackId } from './store/marks.ts'
import { MemoryPushStore } from './store/memory-push-store.ts'

const box = new Box([{ id: 'k', secret: randomBytes(32) }])
const { credential, proof } = newCredential()
const id = newCallbackId()
const identityOf = (subject: string) => ({ kind: 'mtls', subject, claims: {} }) as unknown as Identity
let store: MemoryPushStore

beforeEach(async () => {
  store = new MemoryPushStore()
  const registration: Registration = {
    ...{ agent: 'planner', owner: 'key:ann', config: 'c', url: 'https://hooks.example.org/x', version: '1.0', proof },
    asker: { listener: 'default', path: '/', identity: identityOf('x') },
  }
  await store.put(id, box.callback(id, registration), undefined)
})

function receive(more: Partial<ReceiverParts> = {}, request: Partial<CallbackRequest> = {}) {
  const receiver = new Receiver({
    ...{ store, box, owners: new MemoryOwners(), isAgent: () => true, agentOf: undefined },
    ...{ maxBytes: 1000, maxQueued: 20, retentionMs: 1000, queued: () => undefined, notified: () => undefined },
    ...more,
  })
  return receiver.receive({
    ...{ requestId: 'r', id, method: 'POST', headers: new Map([['authorization', `Bearer ${credential}`]]) },
    body: Buffer.from('{"statusUpdate":{"taskId":"t","status":{"state":"TASK_STATE_WORKING"}}}'),
    identify: () => identityOf('planner'),
    ...request,
  })
}

test('where the rules want to know who calls, the agent has to be the callback’s', async () => {
  const agentOf = ({ subject }: Identity) => subject
  const without: unknown[] = []
  const identify = (left: unknown) => {
    without.push(left)
    return identityOf('planner')
  }
  await receive({ agentOf }, { identify })
  // What stands in `authorization` is the callback's, and nothing that a listener knows.
  await receive({ agentOf }, { identify, headers: new Map([['x-a2a-notification-token', credential]]) })
  expect(without).toEqual(['authorization', undefined])
  await expect(receive({ agentOf }, { identify: () => identityOf('other') })).rejects.toMatchObject({
    kind: 'permissionDenied',
  })
  const unknown: Unidentified = { status: 401, code: 'missing_credentials', message: 'Who?' }
  await expect(receive({ agentOf }, { identify: () => unknown })).rejects.toMatchObject({ kind: 'unauthenticated' })
  expect(await store.waiting()).toBe(2)
})

test('an agent that is in the rules no more is nobody', async () => {
  await expect(receive({ isAgent: () => false })).rejects.toMatchObject({ kind: 'unauthenticated' })
})

test('where too many wait, or the store is away, the agent is to come again', async () => {
  for (let i = 0; i < 2; i++) await receive({ maxQueued: 20 })
  await expect(receive({ maxQueued: 20 })).rejects.toMatchObject({
    ...{ kind: 'unavailable', rule: 'a2a.push.maxQueued', headers: [['retry-after', '5']] },
  })
  const broken = Object.assign(new MemoryPushStore(), { get: () => Promise.reject(new Error('away')) })
  await expect(receive({ store: broken })).rejects.toMatchObject({
    ...{ kind: 'unavailable', headers: [['retry-after', '5']] },
  })
})
