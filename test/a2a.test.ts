import { Role, type StreamResponse, TaskState } from '@a2a-js/sdk'
import { ClientFactory, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client'
import { LegacyJsonRpcTransport, LegacyRestTransport } from '@a2a-js/sdk/compat/v0_3/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { message } from './a2a/message.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

/** Agents through the whole gateway: clients and agents of the official SDK, a real Envoy between them, twice. */

let gateway: TestGateway
let planner: TestAgent
let legacy: TestAgent
let rest: TestAgent
let secret: TestAgent
let keyed: number
let alice: string
let bob: string

beforeAll(async () => {
  process.env.A2A_TOKEN = 's3cret'
  ;[planner, legacy, rest, secret] = await Promise.all([
    startAgent(),
    startAgent([['JSONRPC', '0.3']]),
    startAgent([['HTTP+JSON', '1.0']]),
    startAgent([['JSONRPC', '1.0']], 's3cret'),
  ])
  keyed = await freePort()
  gateway = await startGateway({
    listeners: { default: { port: await freePort() }, keyed: { port: keyed, identity: { accept: ['key'] } } },
    a2a: {
      agents: {
        planner: { url: planner.url, skills: { deny: ['book'] } },
        legacy: { url: legacy.url },
        rest: { url: rest.url },
        secret: { url: secret.url, credential: { type: 'bearer', token: '${env:A2A_TOKEN}' } },
        wrong: { url: secret.url },
        guarded: { url: planner.url },
        dead: { url: `http://127.0.0.1:${await freePort()}` },
      },
    },
    guards: {
      mail: { detect: ['email'], action: 'mask', when: 'agent.name == "guarded"' },
      cards: { detect: ['card'], action: 'deny', when: 'agent.name == "guarded"' },
    },
    policies: {
      rules: {
        no: { effect: 'deny', when: 'agent.name == "planner" && agent.skill == "launch"', message: 'Not today.' },
      },
    },
    limits: { few: { requests: 2, per: 'hour', when: 'agent.name == "legacy" && request.operation == "ListTasks"' } },
  })
  alice = (await gateway.keys.create({ name: 'alice' })).text
  bob = (await gateway.keys.create({ name: 'bob' })).text
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([planner, legacy, rest, secret].map((agent) => agent?.close()))
})

/** `fetch` as a caller with a virtual key. */
const as = (key: string) =>
  ((input: string | URL | Request, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    headers.set('x-chaperone-key', key)
    return fetch(input, { ...init, headers })
  }) as typeof fetch

const clientOf = (agent: string) =>
  new ClientFactory().createFromUrl(`${gateway.url}/a2a/${agent}/.well-known/agent-card.json`, '')

/** A client of a caller with a key. */
async function keyedClient(key: string) {
  const fetchImpl = ((input: string | URL | Request, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    headers.set('a2a-version', '1.0')
    return as(key)(input, { ...init, headers })
  }) as typeof fetch
  const card = { supportedInterfaces: [], capabilities: {} } as never
  return new JsonRpcTransportFactory({ fetchImpl }).create(`http://127.0.0.1:${keyed}/a2a/planner`, card)
}

describe.each(['planner', 'legacy', 'rest', 'secret'])('the agent %s, found by its card', (agent) => {
  test('gets a message and answers with a task', async () => {
    const client = await clientOf(agent)
    const task = await client.sendMessage(message('plan it'))
    expect(task).toMatchObject({
      status: { state: TaskState.TASK_STATE_COMPLETED },
      artifacts: [{ artifactId: 'a1', name: 'plan' }],
    })
    const { id } = task as { id: string }
    expect(await client.getTask({ tenant: '', id })).toMatchObject({ id })
  })

  test('answers with words alone', async () => {
    const client = await clientOf(agent)
    expect(await client.sendMessage(message('only words'))).toMatchObject({
      role: Role.ROLE_AGENT,
      parts: [{ content: { value: 'you said only words' } }],
    })
  })

  test('streams', async () => {
    const client = await clientOf(agent)
    const got: StreamResponse[] = []
    for await (const event of client.sendMessageStream(message('plan it'))) got.push(event)
    const kinds = got.map(({ payload }) => payload?.$case)
    expect(kinds[0]).toBe('task')
    expect(kinds).toContain('artifactUpdate')
    expect(got.at(-1)?.payload).toMatchObject({
      $case: 'statusUpdate',
      value: { status: { state: TaskState.TASK_STATE_COMPLETED } },
    })
  })
})

test.each([
  ['JSON-RPC', (url: string) => new LegacyJsonRpcTransport({ endpoint: url, fetchImpl: fetch })],
  ['HTTP+JSON', (url: string) => new LegacyRestTransport({ endpoint: url, fetchImpl: fetch })],
])('a client of 0.3 by %s reaches agents of both versions', async (_, make) => {
  for (const agent of ['planner', 'legacy', 'rest', 'secret']) {
    const client = make(`${gateway.url}/a2a/${agent}`)
    expect(await client.sendMessage(message('plan it'))).toMatchObject({
      status: { state: TaskState.TASK_STATE_COMPLETED },
    })
    const got: StreamResponse[] = []
    for await (const event of client.sendMessageStream(message('plan it'))) got.push(event)
    expect(got.at(-1)?.payload).toMatchObject({ $case: 'statusUpdate' })
  }
})

test('a client of HTTP+JSON 1.0 may subscribe to what hangs, and cancel it', async () => {
  const card = { supportedInterfaces: [], capabilities: {} } as never
  const fetchImpl = ((input: string | URL | Request, init?: RequestInit) => {
    const headers = new Headers(init?.headers)
    headers.set('a2a-version', '1.0')
    return fetch(input, { ...init, headers })
  }) as typeof fetch
  const client = await new RestTransportFactory({ fetchImpl }).create(`${gateway.url}/a2a/planner`, card)
  const stream = client.sendMessageStream(message('hang on'))
  const first = await stream.next()
  const id = (first.value as { payload: { value: { id: string } } }).payload.value.id
  const other = client.resubscribeTask({ tenant: '', id })
  expect((await other.next()).done).toBe(false)
  await client.cancelTask({ tenant: '', id, metadata: {} })
  let last: StreamResponse | undefined
  for await (const event of stream) last = event
  expect(last?.payload?.value).toMatchObject({ status: { state: TaskState.TASK_STATE_CANCELED } })
})

describe('cards', () => {
  test('lead to the gateway, in both bindings and versions, without what callers may not use', async () => {
    const response = await fetch(`${gateway.url}/a2a/planner/.well-known/agent-card.json`)
    const card = (await response.json()) as {
      name: string
      url: string
      skills: { id: string }[]
      supportedInterfaces: { url: string; protocolBinding: string; protocolVersion: string }[]
    }
    expect(card.name).toBe('Planner')
    expect(card.skills.map(({ id }) => id)).toEqual(['plan'])
    const { host } = new URL(gateway.url)
    const place = `${gateway.url}/a2a/planner`
    expect(card.supportedInterfaces.map(({ url }) => url)).toEqual([place, place, host, place, place])
    // 0.3's own field, for those who know no other.
    expect(card.url).toBe(`${gateway.url}/a2a/planner`)
    expect(JSON.stringify(card)).not.toContain(planner.url)
    expect(await (await fetch(`${gateway.url}/a2a/planner/.well-known/agent.json`)).json()).toEqual(card)
  })

  test('and the directory are asked for again by their tags', async () => {
    for (const path of ['/a2a', '/a2a/planner/.well-known/agent-card.json', '/a2a/planner/.well-known/agent.json']) {
      const first = await fetch(gateway.url + path)
      await first.arrayBuffer()
      expect(first.headers.get('cache-control')).toBe('private, max-age=60')
      const etag = first.headers.get('etag')!
      const headers = { 'cache-control': 'no-cache' }
      const same = await fetch(gateway.url + path, { headers: { ...headers, 'if-none-match': `"x", W/${etag}` } })
      expect([same.status, same.headers.get('etag'), await same.text()]).toEqual([304, etag, ''])
      const other = await fetch(gateway.url + path, { headers: { ...headers, 'if-none-match': '"x"' } })
      expect([other.status, await other.json()]).toEqual([200, expect.any(Object)])
    }
  })

  test('the extended one is the gateway’s as well', async () => {
    const client = await clientOf('planner')
    const card = await client.getAgentCard()
    expect(card.skills.map(({ id }) => id)).toEqual(['plan'])
    expect(JSON.stringify(card)).not.toContain(planner.url)
  })

  test('say how callers show who they are', async () => {
    const card = await (await as(alice)(`http://127.0.0.1:${keyed}/a2a/planner/.well-known/agent-card.json`)).json()
    expect(card).toMatchObject({
      securitySchemes: { key: { apiKeySecurityScheme: { name: 'x-chaperone-key' } } },
      securityRequirements: [{ schemes: { key: {} } }],
    })
  })

  test('the directory lists agents, those that are away as well', async () => {
    const { agents } = (await (await fetch(`${gateway.url}/a2a`)).json()) as {
      agents: { name: string; available: boolean; skills?: { id: string }[] }[]
    }
    expect(agents.map(({ name, available }) => [name, available])).toEqual([
      ['planner', true],
      ['legacy', true],
      ['rest', true],
      ['secret', true],
      ['wrong', true],
      ['guarded', true],
      ['dead', false],
    ])
    expect(agents[0]?.skills?.map(({ id }) => id)).toEqual(['plan'])
  })

  test('keys are published', async () => {
    const set = (await (await fetch(`${gateway.url}/.well-known/jwks.json`)).json()) as { keys: object[] }
    expect(set.keys).toMatchObject([{ kty: 'EC', alg: 'ES256', use: 'sig' }])
    expect(set.keys[0]).not.toHaveProperty('d')
  })
})

describe('tasks belong to who began them', () => {
  test('others’ look like those that do not exist', async () => {
    const [mine, theirs] = await Promise.all([keyedClient(alice), keyedClient(bob)])
    const { id, contextId } = (await mine.sendMessage(message('plan it'))) as { id: string; contextId: string }
    expect(await mine.getTask({ tenant: '', id })).toMatchObject({ id })
    const unknown = await theirs.getTask({ tenant: '', id: 'never-was' }).catch((error: Error) => error.message)
    expect(await theirs.getTask({ tenant: '', id }).catch((error: Error) => error.message)).toBe(unknown)
    await expect(theirs.cancelTask({ tenant: '', id, metadata: {} })).rejects.toMatchObject({
      name: 'TaskNotFoundError',
    })
    await expect(theirs.resubscribeTask({ tenant: '', id }).next()).rejects.toMatchObject({ name: 'TaskNotFoundError' })
    await expect(theirs.sendMessage(message('and mine?', { taskId: id }))).rejects.toMatchObject({
      name: 'TaskNotFoundError',
    })
    await expect(theirs.sendMessage(message('look', { referenceTaskIds: [id] }))).rejects.toMatchObject({
      name: 'TaskNotFoundError',
    })
    await expect(theirs.sendMessage(message('hello', { contextId }))).rejects.toThrow(/no such context/)
    expect(planner.heard).not.toContain('and mine?')
    expect(planner.heard).not.toContain('hello')
  })

  test('lists show one’s own alone', async () => {
    const [mine, theirs] = await Promise.all([keyedClient(alice), keyedClient(bob)])
    const { id } = (await theirs.sendMessage(message('plan it'))) as { id: string }
    const all = {
      tenant: '',
      contextId: '',
      status: TaskState.TASK_STATE_UNSPECIFIED,
      pageToken: '',
      statusTimestampAfter: undefined,
    }
    expect((await theirs.listTasks(all)).tasks.map((task) => task.id)).toContain(id)
    expect((await mine.listTasks(all)).tasks.map((task) => task.id)).not.toContain(id)
  })
})

describe('credentials', () => {
  test('the agent gets the gateway’s and never the caller’s', async () => {
    const client = await keyedClient(alice)
    await client.sendMessage(message('plan it'))
    for (const headers of planner.seen) {
      expect(headers).not.toHaveProperty('x-chaperone-key')
      expect(headers).not.toHaveProperty('authorization')
    }
    expect(secret.seen.some(({ authorization }) => authorization === 'Bearer s3cret')).toBe(true)
  })

  test('an agent that does not take them is the operator’s matter', async () => {
    const client = await clientOf('wrong')
    await expect(client.sendMessage(message('plan it'))).rejects.toThrow(/does not take the gateway’s credentials/)
  })

  test('without one’s own nobody is let in', async () => {
    const response = await fetch(`http://127.0.0.1:${keyed}/a2a/planner`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
      body: '{"jsonrpc":"2.0","id":1,"method":"ListTasks","params":{}}',
    })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', error: { code: -32080 } })
  })
})

describe('what the rules say', () => {
  test('guards see what is said, and what comes back', async () => {
    const client = await clientOf('guarded')
    await client.sendMessage(message('write to ann@example.com, only words'))
    expect(planner.heard.at(-1)).not.toContain('ann@example.com')
    const heard = planner.heard.length
    await expect(client.sendMessage(message('pay with 4111 1111 1111 1111'))).rejects.toThrow(/card/i)
    expect(planner.heard.length).toBe(heard)
    // Held back pieces of streams come before their end.
    const got: StreamResponse[] = []
    for await (const event of client.sendMessageStream(message('plan it'))) got.push(event)
    const texts = got.flatMap(({ payload }) =>
      payload?.$case === 'artifactUpdate' ? (payload.value.artifact?.parts ?? []) : [],
    )
    expect(texts.map(({ content }) => content?.value).join('')).toBe('go north')
  })

  test('policies see the agent and the skill', async () => {
    const client = await clientOf('planner')
    const request = message('go')
    request.metadata = { skillId: 'launch' }
    await expect(client.sendMessage(request)).rejects.toThrow(/Not today/)
    const hidden = message('go')
    hidden.metadata = { skillId: 'book' }
    await expect(client.sendMessage(hidden)).rejects.toThrow(/no such skill/)
  })

  test('limits count calls', async () => {
    const codes: number[] = []
    for (let index = 0; index < 3; index++) {
      const response = await fetch(`${gateway.url}/a2a/legacy/tasks`, { headers: { 'a2a-version': '1.0' } })
      await response.arrayBuffer()
      codes.push(response.status)
    }
    expect(codes.at(-1)).toBe(429)
    expect(codes.slice(0, 2)).not.toContain(429)
  })
})

test('an agent that is away is said to be', async () => {
  const response = await fetch(`${gateway.url}/a2a/dead`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 'x',
      method: 'message/send',
      params: { message: { kind: 'message', messageId: '1', role: 'user', parts: [{ kind: 'text', text: 'hi' }] } },
    }),
  })
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ id: 'x', error: { code: -32085 } })
})
