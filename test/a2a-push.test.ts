import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { grpcCall } from './a2a/grpc-call.ts'
import { type Receiver, startReceiver } from './a2a/receiver.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

/** Notifications by way of the gateway: the official SDK's agent and sender, a client's receiver, a real Envoy between them. */

let gateway: TestGateway
let planner: TestAgent
let receiver: Receiver
let keyed: number
let alice: string
let bob: string

beforeAll(async () => {
  ;[planner, receiver] = await Promise.all([startAgent(undefined, undefined, undefined, true), startReceiver()])
  keyed = await freePort()
  gateway = await startGateway({
    listeners: { default: { port: await freePort() }, keyed: { port: keyed, identity: { accept: ['key'] } } },
    a2a: {
      agents: { planner: { url: planner.url }, guarded: { url: planner.url } },
      push: { schemes: ['http'], ports: [receiver.port], networks: ['127.0.0.1/32'], maxBytes: 20_000 },
    },
    guards: {
      way: {
        detect: [{ regex: 'go north', label: 'WAY' }],
        action: 'mask',
        on: ['response'],
        when: 'agent.name == "guarded"',
      },
    },
  })
  alice = (await gateway.keys.create({ name: 'alice' })).text
  bob = (await gateway.keys.create({ name: 'bob' })).text
}, 60_000)
/** Where the client of this test is notified. */
let hook: string
let hooks = 0
beforeEach(() => {
  hook = `${receiver.url}/hook${hooks++}`
})
afterAll(async () => {
  await gateway?.stop()
  await Promise.all([planner?.close(), receiver?.close()])
})

type Version = '0.3' | '1.0'
interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: answers of all methods of both versions
  result?: any
  error?: { code: number; message: string }
}

interface As {
  key?: string
  agent?: string
}

/** A call of JSON-RPC. */
async function call(version: Version, method: string, params: object, { key, agent = 'planner' }: As = {}) {
  const response = await fetch(`${key === undefined ? gateway.url : `http://127.0.0.1:${keyed}`}/a2a/${agent}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(version === '1.0' && { 'a2a-version': '1.0' }),
      ...(key !== undefined && { 'x-chaperone-key': key }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  return (await response.json()) as Answer
}

/** Sends a message, with a callback where there is one. */
function send(version: Version, text: string, config?: object, as?: As): Promise<Answer> {
  const messageId = `m${Math.random()}`
  if (version === '1.0') {
    const configuration = { ...(config && { taskPushNotificationConfig: config }), returnImmediately: true }
    const message = { messageId, role: 'ROLE_USER', parts: [{ text }] }
    return call(version, 'SendMessage', { message, configuration }, as)
  }
  const configuration = { ...(config && { pushNotificationConfig: config }), blocking: false }
  const message = { kind: 'message', messageId, role: 'user', parts: [{ kind: 'text', text }] }
  return call(version, 'message/send', { message, configuration }, as)
}

/** The same by HTTP+JSON. */
async function rest(version: Version, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${gateway.url}/a2a/planner${version === '0.3' ? '/v1' : ''}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(version === '1.0' && { 'a2a-version': '1.0' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  return response.status === 204 ? undefined : response.json()
}

/** The push configs that the agent itself has for a task. */
async function agents(taskId: string): Promise<{ id: string; url: string; token: string; text: string }[]> {
  const response = await fetch(`${planner.url}/rpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ListTaskPushNotificationConfigs', params: { taskId } }),
  })
  const { result } = (await response.json()) as { result: { configs: { id: string; url: string; token: string }[] } }
  return (result.configs ?? []).map((config) => ({ ...config, text: JSON.stringify(config) }))
}

/** What came to this test's client. */
const got = () => receiver.got.filter(({ path }) => receiver.url + path === hook)
const states = () => got().flatMap(({ body }) => body.statusUpdate?.status.state ?? body.task?.status.state ?? [])
const came = (count: number) => eventually(() => expect(got()).toHaveLength(count))

/** A task that goes on for ever, with a callback, and what its agent was given. */
async function hanging(config: object = {}) {
  const { result } = await send('1.0', 'hang', { url: hook, ...config })
  const taskId = result.task.id as string
  await came(2)
  const [given] = await agents(taskId)
  return { taskId, given: given! }
}

/** What the agent says to a callback, by hand. */
const say = (url: string, headers: Record<string, string>, body: object | string, method = 'POST') =>
  fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method === 'POST' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
const update = (taskId: string, state: string, more: object = {}) => ({
  statusUpdate: { taskId, contextId: '', status: { state: `TASK_STATE_${state}`, ...more } },
})

describe('a client', () => {
  test('of 1.0 gets events, in order, with its own token', async () => {
    const { result } = await send('1.0', 'plan it', { url: hook, token: 'my-token' })
    await came(5)
    expect(got().map(({ body }) => Object.keys(body)[0])).toEqual([
      ...['task', 'statusUpdate', 'artifactUpdate', 'artifactUpdate', 'statusUpdate'],
    ])
    expect(states()).toEqual(['TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING', 'TASK_STATE_COMPLETED'])
    for (const { headers } of got()) {
      expect(headers).toMatchObject({
        ...{ 'content-type': 'application/a2a+json', 'a2a-version': '1.0' },
        ...{ 'x-a2a-notification-token': 'my-token', 'a2a-notification-token': 'my-token' },
      })
      expect(headers.authorization).toBeUndefined()
    }
    expect(new Set(got().map(({ headers }) => headers['idempotency-key'])).size).toBe(5)
    // The agent has a URL of the gateway's and a credential for it; nothing of the client's.
    const [given] = await agents(result.task.id)
    expect(given!.url.startsWith(`${gateway.url}/a2a/-/callbacks/`)).toBe(true)
    expect(given!.text).not.toMatch(/my-token|hook\d/)
  })

  test('of 0.3 gets the task each time', async () => {
    const { result } = await send('0.3', 'plan it', {
      ...{ url: hook, token: 'my-token' },
      authentication: { schemes: ['Bearer'], credentials: 'my-secret' },
    })
    await came(5)
    expect(got().map(({ body }) => [body.kind, body.id])).toEqual(Array(5).fill(['task', result.id]))
    expect(got().at(-1)!.body).toMatchObject({
      status: { state: 'completed' },
      artifacts: [{ artifactId: 'a1', parts: [{ kind: 'text', text: 'go north' }] }],
      history: [{ role: 'user' }],
    })
    expect(got()[0]!.headers).toMatchObject({
      ...{ 'content-type': 'application/json', authorization: 'Bearer my-secret' },
      'x-a2a-notification-token': 'my-token',
    })
    expect(JSON.stringify(await agents(result.id))).not.toContain('my-secret')
  })

  test.each<Version>(['1.0', '0.3'])(
    'of %s sets, sees and deletes its own configs in both bindings',
    async (version) => {
      const { result } = await send(version, 'hang')
      const taskId = (result.task ?? result).id as string
      const own = { id: 'mine', url: hook, token: 'my-token' }
      const other = {
        url: `${receiver.url}/other-${version}`,
        authentication: { scheme: 'Basic', credentials: 'abc=' },
      }
      const legacyOther = { url: other.url, authentication: { schemes: ['Basic'], credentials: 'abc=' } }
      if (version === '1.0') {
        const set = await call('1.0', 'CreateTaskPushNotificationConfig', { taskId, ...own })
        expect(set.result).toEqual({ taskId, ...own })
        const created = (await rest('1.0', 'POST', `/tasks/${taskId}/pushNotificationConfigs`, other)) as { id: string }
        expect(created).toMatchObject({ taskId, ...other })
        const both = [expect.objectContaining(own), expect.objectContaining(created)]
        const listed = await call('1.0', 'ListTaskPushNotificationConfigs', { taskId })
        expect(listed.result.configs).toEqual(both)
        expect(await rest('1.0', 'GET', `/tasks/${taskId}/pushNotificationConfigs`)).toMatchObject({ configs: both })
        expect((await call('1.0', 'GetTaskPushNotificationConfig', { taskId, id: 'mine' })).result).toMatchObject(own)
        expect(await rest('1.0', 'GET', `/tasks/${taskId}/pushNotificationConfigs/${created.id}`)).toMatchObject(
          created,
        )
        await rest('1.0', 'DELETE', `/tasks/${taskId}/pushNotificationConfigs/${created.id}`)
      } else {
        const set = await call('0.3', 'tasks/pushNotificationConfig/set', { taskId, pushNotificationConfig: own })
        expect(set.result).toEqual({ taskId, pushNotificationConfig: own })
        const created = (await rest('0.3', 'POST', `/tasks/${taskId}/pushNotificationConfigs`, {
          taskId,
          pushNotificationConfig: legacyOther,
        })) as { pushNotificationConfig: { id: string } }
        expect(created.pushNotificationConfig).toMatchObject(legacyOther)
        const { id } = created.pushNotificationConfig
        const listed = await call('0.3', 'tasks/pushNotificationConfig/list', { id: taskId })
        expect(listed.result).toMatchObject([{ pushNotificationConfig: own }, { pushNotificationConfig: legacyOther }])
        const got = await call('0.3', 'tasks/pushNotificationConfig/get', {
          id: taskId,
          pushNotificationConfigId: 'mine',
        })
        expect(got.result).toEqual({ taskId, pushNotificationConfig: own })
        expect(await rest('0.3', 'GET', `/tasks/${taskId}/pushNotificationConfigs/${id}`)).toMatchObject({
          pushNotificationConfig: legacyOther,
        })
        await call('0.3', 'tasks/pushNotificationConfig/delete', { id: taskId, pushNotificationConfigId: id })
      }
      await call('1.0', 'CancelTask', { id: taskId })
      await eventually(() => expect(got().at(-1)?.text).toMatch(/cancel/i))
      expect(receiver.got.some(({ path }) => path === `/other-${version}`)).toBe(false)
      // Deleted, the first one is unknown as well.
      await call('1.0', 'DeleteTaskPushNotificationConfig', { taskId, id: 'mine' })
      expect(await agents(taskId)).toEqual([])
      const gone = await call('1.0', 'GetTaskPushNotificationConfig', { taskId, id: 'mine' })
      expect(gone.error?.code).toBe(-32001)
    },
  )

  test.each<Version>(['1.0', '0.3'])('of gRPC %s sets, lists and deletes its own configs too', async (version) => {
    const taskId = (await send(version, 'hang')).result as { task?: { id: string }; id: string }
    const id = (taskId.task ?? taskId).id
    const grpc = (operation: 'setPushConfig' | 'listPushConfigs' | 'deletePushConfig', json: object) =>
      grpcCall(gateway.url, { operation, version, json }, { 'chaperone-agent': 'planner' })
    const config = { id: 'mine', url: hook, token: 'my-token' }
    const name = `tasks/${id}/pushNotificationConfigs/mine`
    const legacy = { name, pushNotificationConfig: config }
    const shown = version === '1.0' ? { taskId: id, ...config } : legacy
    const setting = version === '1.0' ? shown : { parent: `tasks/${id}`, configId: 'mine', config: legacy }
    expect(await grpc('setPushConfig', setting)).toMatchObject({ status: 0, messages: [shown] })
    const listed = await grpc('listPushConfigs', version === '1.0' ? { taskId: id } : { parent: `tasks/${id}` })
    expect(listed).toMatchObject({ status: 0, messages: [{ configs: [shown] }] })
    await call('1.0', 'CancelTask', { id })
    await eventually(() => expect(got().at(-1)?.text).toMatch(/cancel/i))
    expect(got().at(-1)!.headers['content-type']).toBe(version === '1.0' ? 'application/a2a+json' : 'application/json')
    expect((await grpc('deletePushConfig', version === '1.0' ? { taskId: id, id: 'mine' } : { name })).status).toBe(0)
    expect(await agents(id)).toEqual([])
  })

  test('sees nothing of another’s', async () => {
    const { result } = await send('1.0', 'hang', { url: hook, id: 'hers', token: 't' }, { key: alice })
    const taskId = result.task.id as string
    const mine = await call('1.0', 'ListTaskPushNotificationConfigs', { taskId }, { key: alice })
    expect(mine.result.configs).toMatchObject([{ id: 'hers', url: hook, token: 't' }])
    for (const method of ['List', 'Get', 'Delete', 'Create'])
      expect(
        await call(
          '1.0',
          `${method}TaskPushNotificationConfig${method === 'List' ? 's' : ''}`,
          {
            ...{ taskId, id: 'hers', url: `${receiver.url}/x` },
          },
          { key: bob },
        ),
      ).toMatchObject({ error: { code: expect.toBeOneOf([-32001, -32602]) } })
    expect(
      (await call('1.0', 'ListTaskPushNotificationConfigs', { taskId }, { key: alice })).result.configs,
    ).toHaveLength(1)
  })

  test.each([
    'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[::1]:PORT/',
    'http://2130706433:PORT/',
    'http://0x7f.1:PORT/',
    'http://127.1:PORT/',
    'http://localhost:PORT/',
    'http://127.0.0.1:22/',
    'http://127.0.0.2:PORT/',
    'http://user@127.0.0.1:PORT/',
    'https://127.0.0.1:PORT/',
    'file:///etc/passwd',
    '/hook',
  ])('may not be notified at %s', async (place) => {
    const url = place.replace('PORT', String(receiver.port))
    const taskId = (await send('1.0', 'plan')).result.task.id as string
    expect((await send('1.0', 'plan', { url })).error?.code).toBe(-32602)
    expect((await send('0.3', 'plan', { url })).error?.code).toBe(-32602)
    expect((await call('1.0', 'CreateTaskPushNotificationConfig', { taskId, url })).error?.code).toBe(-32602)
  })

  test.each([{ token: 'a\r\nx: y' }, { authentication: { scheme: 'a b', credentials: 'c' } }, { token: 'ü' }])(
    'is told what cannot be sent: %j',
    async (config) => {
      expect((await send('1.0', 'plan', { url: `${receiver.url}/`, ...config })).error?.code).toBe(-32602)
    },
  )
})

describe('what an agent says to a callback', () => {
  test('needs the callback’s own credential, in one of its places', async () => {
    const { taskId, given } = await hanging()
    const other = await send('1.0', 'hang', { url: `${receiver.url}/other` })
    const [others] = await agents(other.result.task.id)
    const body = update(taskId, 'INPUT_REQUIRED')
    const forged: [string, Record<string, string>][] = [
      [given.url, {}],
      [given.url, { 'x-a2a-notification-token': 'guess' }],
      [given.url, { authorization: `Bearer ${others!.token}` }],
      [
        `${given.url.slice(0, -22)}${randomBytes(16).toString('base64url')}`,
        { authorization: `Bearer ${given.token}` },
      ],
      [`${given.url}/x`, { authorization: `Bearer ${given.token}` }],
      [given.url.slice(0, -22), { authorization: `Bearer ${given.token}` }],
    ]
    for (const [url, headers] of forged) {
      const response = await say(url, headers, body)
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ error: { status: 'UNAUTHENTICATED' } })
    }
    expect(got()).toHaveLength(2)
    const places: [string, string][] = [
      ['authorization', `Bearer ${given.token}`],
      ['x-a2a-notification-token', given.token],
      ['a2a-notification-token', given.token],
    ]
    for (const place of places) expect((await say(given.url, Object.fromEntries([place]), body)).status).toBe(200)
    await came(5)
  })

  test('is for its own task only', async () => {
    const { given } = await hanging()
    const { taskId } = (await send('1.0', 'plan', { url: `${receiver.url}/other` }).then(({ result }) => ({
      taskId: result.task.id,
    }))) as { taskId: string }
    const unknown = 'a-task-that-never-was'
    const alices = (await send('1.0', 'plan', { url: `${receiver.url}/other` }, { key: alice })).result.task
      .id as string
    for (const about of [taskId, unknown, alices]) {
      const response = await say(given.url, { authorization: `Bearer ${given.token}` }, update(about, 'COMPLETED'))
      expect(response.status).toBe(403)
    }
  })

  test('comes to the client once, and not after the end', async () => {
    const { taskId, given } = await hanging()
    const headers = { authorization: `Bearer ${given.token}` }
    const dated = update(taskId, 'WORKING', { timestamp: '2026-11-29T06:00:00Z' })
    const last = update(taskId, 'FAILED')
    for (const body of [dated, dated, last, last, dated]) expect((await say(given.url, headers, body)).status).toBe(200)
    expect((await say(given.url, headers, update(taskId, 'WORKING'))).status).toBe(400)
    await came(4)
    expect(states()).toEqual(['SUBMITTED', 'WORKING', 'WORKING', 'FAILED'].map((state) => `TASK_STATE_${state}`))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(got()).toHaveLength(4)
  })

  test('is taken in either version, and in the oldest form', async () => {
    const { taskId, given } = await hanging()
    const headers = { authorization: `Bearer ${given.token}` }
    const legacy = { kind: 'task', id: taskId, contextId: '', status: { state: 'input-required' } }
    const bare = { id: taskId, contextId: '', status: { state: 'completed' } }
    expect((await say(given.url, headers, legacy)).status).toBe(200)
    expect((await say(given.url, headers, bare)).status).toBe(200)
    await came(4)
    expect(states().slice(2)).toEqual(['TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_COMPLETED'])
  })

  test.each<[string, (taskId: string) => object | string, number, string?]>([
    ['no JSON', () => '{', 400],
    ['a list', () => '[]', 400],
    ['nothing that is known', () => ({ hello: 'world' }), 400],
    ['a wrong shape', () => ({ statusUpdate: { taskId: 7 } }), 400],
    ['no task', () => ({ statusUpdate: { status: { state: 'TASK_STATE_WORKING' } } }), 400],
    ['too much', (taskId) => update(taskId, 'WORKING', { timestamp: 'x'.repeat(30_000) }), 413],
    ['a wrong method', () => ({}), 400, 'GET'],
  ])('is refused where it is %s', async (_, body, status, method) => {
    const { taskId, given } = await hanging()
    const response = await say(given.url, { authorization: `Bearer ${given.token}` }, body(taskId), method)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { code: status } })
  })
})

test('a receiver that is away for a while misses nothing, in order', async () => {
  await receiver.close()
  await send('1.0', 'plan it', { url: hook })
  await eventually(() => {
    expect(gateway.notifications.filter(({ outcome }) => outcome === 'failed').length).toBeGreaterThan(0)
  })
  receiver.answer = (_, response) => void response.writeHead(503, { 'retry-after': '1' }).end()
  await receiver.open()
  await eventually(() => expect(gateway.notifications.at(-1)).toMatchObject({ outcome: 'failed', status: 503 }))
  receiver.answer = undefined
  await came(5)
  expect(states()).toEqual(['TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING', 'TASK_STATE_COMPLETED'])
  const failed = gateway.notifications.filter(({ outcome }) => outcome === 'failed')
  expect(failed.every(({ host }) => host === new URL(receiver.url).host)).toBe(true)
  expect(gateway.reports).toEqual([])
}, 30_000)

test('what a guard masks is masked in notifications, where it stands in two pieces as well', async () => {
  const { result } = await send('1.0', 'plan', { url: hook }, { agent: 'guarded' })
  await came(4)
  const artifact = got().flatMap(({ body }) => body.artifactUpdate ?? [])
  expect(artifact).toMatchObject([
    { lastChunk: true, artifact: { parts: [{ text: expect.stringMatching(/^\[.*\]$/) }] } },
  ])
  expect(
    got()
      .map(({ text }) => text)
      .join(),
  ).not.toContain('north')
  expect(got().at(-1)!.body.statusUpdate).toMatchObject({ taskId: result.task.id })
  hook = `${hook}-legacy`
  await send('0.3', 'plan', { url: hook }, { agent: 'guarded' })
  await came(4)
  expect(JSON.stringify(got().at(-1)!.body.artifacts)).not.toContain('north')
  expect(got().at(-1)!.body).toMatchObject({ status: { state: 'completed' }, artifacts: [{ artifactId: 'a1' }] })
})

test('other modes: off, and straight to the client', async () => {
  const { a2a } = gateway.rules
  const mode = (to: 'off' | 'allow' | 'relay') =>
    gateway.gateway.apply({ ...gateway.rules, a2a: { ...a2a, push: { ...a2a.push, mode: to } } })
  const card = async () =>
    (await (await fetch(`${gateway.url}/a2a/planner/.well-known/agent-card.json`)).json()) as {
      capabilities: { pushNotifications: boolean }
    }
  const { taskId, given } = await hanging()
  expect((await card()).capabilities.pushNotifications).toBe(true)
  try {
    await mode('off')
    expect((await card()).capabilities.pushNotifications).toBe(false)
    for (const version of ['1.0', '0.3'] as const)
      expect((await send(version, 'plan', { url: hook })).error?.code).toBe(-32003)
    for (const method of ['GetTaskPushNotificationConfig', 'ListTaskPushNotificationConfigs'])
      expect((await call('1.0', method, { taskId, id: 'x' })).error?.code).toBe(-32003)
    expect((await send('1.0', 'plan')).error).toBeUndefined()
    const told = await say(given.url, { authorization: `Bearer ${given.token}` }, update(taskId, 'COMPLETED'))
    expect(told.status).toBe(404)
    await mode('allow')
    expect((await send('1.0', 'plan', { url: 'http://169.254.169.254/' })).error?.code).toBe(-32602)
    hook = `${hook}-straight`
    const { result } = await send('1.0', 'plan', { url: hook, token: 'mine' })
    await came(5)
    expect((await agents(result.task.id))[0]).toMatchObject({ url: hook, token: 'mine' })
  } finally {
    await mode('relay')
  }
})
