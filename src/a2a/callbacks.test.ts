import { expect, test } from 'vitest'
import type { A2aCall } from './call.ts'
import { type CallbackWanted, checkedCallbacks, concernsCallbacks, noCallbacks, withConfig } from './callbacks.ts'
import { TargetCheck } from './push/target.ts'

const call = (more: Partial<A2aCall>): A2aCall => ({
  type: 'call',
  agent: 'planner',
  binding: 'jsonrpc',
  version: '1.0',
  operation: 'sendMessage',
  referencedTaskIds: [],
  extensions: [],
  id: 1,
  params: {},
  ...more,
})
const sending = call({
  params: {
    message: {},
    configuration: { historyLength: 1, taskPushNotificationConfig: { url: 'https://c.example' } },
  },
})
const setting = call({ operation: 'setPushConfig', params: { taskId: 't', url: 'https://c.example' } })
const wanted = (one: A2aCall) => ({ call: one, owner: 'key:ann' }) as CallbackWanted

test('a config is put in the place of the client’s, wherever that stands', () => {
  const other = { url: 'https://gateway.example/relay' }
  expect(withConfig(sending, other)).toEqual({
    message: {},
    configuration: { historyLength: 1, taskPushNotificationConfig: other },
  })
  expect(withConfig(setting, other)).toEqual(other)
})

test('where there are none, every call about them says so', async () => {
  const about = (['getPushConfig', 'listPushConfigs', 'deletePushConfig'] as const).map((operation) =>
    call({ operation, params: { taskId: 't', id: 'c' } }),
  )
  for (const one of [sending, setting, ...about]) {
    expect(concernsCallbacks(one)).toBe(true)
    await expect(noCallbacks().begin(wanted(one))).rejects.toMatchObject({ kind: 'pushNotSupported' })
  }
  expect(concernsCallbacks(call({ params: { message: {}, configuration: {} } }))).toBe(false)
  expect(concernsCallbacks(call({ operation: 'getTask', params: { id: 't' } }))).toBe(false)
})

test.each([
  ['https://c.example/hook', true],
  ['https://inside.example/hook', false],
  ['https://169.254.169.254/', false],
  ['http://c.example/', false],
])('%s may be called: %s', async (url, may) => {
  const rules = { schemes: ['https'] as const, ports: [443], networks: [] }
  const check = new TargetCheck(rules, async (host) => [host === 'c.example' ? '93.184.216.34' : '10.0.0.1'])
  const begun = checkedCallbacks(check).begin(wanted(call({ operation: 'setPushConfig', params: { url } })))
  if (may) expect((await begun).params).toEqual({ url })
  else await expect(begun).rejects.toMatchObject({ kind: 'invalidParams', rule: 'a2a.push' })
})
