import { expect, test } from 'vitest'
import type { A2aCall } from './call.ts'
import { type CallbackWanted, checkedCallbacks, noCallbacks, withCallbacks } from './callbacks.ts'
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

test('every push config is shown, with whose it is, and what is given back goes to the agent', async () => {
  const seen: CallbackWanted[] = []
  const relay = async (wanted: CallbackWanted) => {
    seen.push(wanted)
    return { ...wanted.config, url: 'https://gateway.example/relay' }
  }
  expect(await withCallbacks(sending, 'planner', 'key:ann', relay)).toEqual({
    message: {},
    configuration: { historyLength: 1, taskPushNotificationConfig: { url: 'https://gateway.example/relay' } },
  })
  expect(await withCallbacks(setting, 'planner', 'key:ann', relay)).toEqual({
    taskId: 't',
    url: 'https://gateway.example/relay',
  })
  expect(seen).toMatchObject([
    { agent: 'planner', owner: 'key:ann', config: { url: 'https://c.example' } },
    { agent: 'planner', owner: 'key:ann', config: { url: 'https://c.example' } },
  ])
})

test('calls without one are left as they are, even where there are none', async () => {
  const plain = call({ params: { message: {} } })
  expect(await withCallbacks(plain, 'planner', 'key:ann', noCallbacks)).toBe(plain.params)
  for (const wanted of [sending, setting])
    await expect(withCallbacks(wanted, 'planner', 'key:ann', noCallbacks)).rejects.toMatchObject({
      kind: 'pushNotSupported',
    })
})

test.each([
  ['https://c.example/hook', true],
  ['https://inside.example/hook', false],
  ['https://169.254.169.254/', false],
  ['http://c.example/', false],
])('%s may be called: %s', async (url, may) => {
  const rules = { schemes: ['https'] as const, ports: [443], networks: [] }
  const check = new TargetCheck(rules, async (host) => [host === 'c.example' ? '93.184.216.34' : '10.0.0.1'])
  const given = withCallbacks(call({ operation: 'setPushConfig', params: { url } }), 'p', 'o', checkedCallbacks(check))
  if (may) expect(await given).toEqual({ url })
  else await expect(given).rejects.toMatchObject({ kind: 'invalidParams', rule: 'a2a.push' })
})
