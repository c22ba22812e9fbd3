import { expect, test } from 'vitest'
import type { Identity } from '../../identity/identity.ts'
import { ownerKey } from './owner-key.ts'

const of = (subject: string, more: Partial<Identity> = {}): Identity => ({
  kind: 'key',
  subject,
  claims: {},
  mayUseModel: () => true,
  mayUseServer: () => true,
  ...more,
})

const ann = of('k1', { user: 'ann', team: 'red', organization: 'acme' })
const bob = of('k2', { user: 'bob', team: 'red', organization: 'acme' })
const eve = of('k3', { user: 'ann', team: 'red', organization: 'other' })

test('a task is its caller’s, or all those’ whom the rules let share it', () => {
  expect(ownerKey(ann, 'caller')).toBe('key:k1')
  expect(ownerKey(ann, 'user')).toBe(ownerKey(of('k9', { user: 'ann', organization: 'acme' }), 'user'))
  expect(ownerKey(ann, 'user')).not.toBe(ownerKey(bob, 'user'))
  expect(ownerKey(ann, 'team')).toBe(ownerKey(bob, 'team'))
  expect(ownerKey(ann, 'organization')).toBe(ownerKey(bob, 'organization'))
})

test('names of other organizations are other names', () => {
  for (const owner of ['user', 'team', 'organization'] as const)
    expect(ownerKey(ann, owner)).not.toBe(ownerKey(eve, owner))
})

test('who has no such name is alone', () => {
  for (const name of [undefined, ''])
    for (const owner of ['user', 'team', 'organization'] as const)
      expect(ownerKey(of('k4', { [owner]: name }), owner)).toBe('key:k4')
})
