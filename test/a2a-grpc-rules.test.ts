import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { grpcCall } from './a2a/grpc-call.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

/** What the rules say holds for gRPC as for the other bindings: each of them once. */

let gateway: TestGateway
const agents = {} as Record<'planner' | 'billing' | 'secret', TestAgent>
const keys: Record<string, string> = {}

beforeAll(async () => {
  process.env.A2A_GRPC_TOKEN = 's3cret'
  const grpc: ['GRPC', '1.0'][] = [['GRPC', '1.0']]
  ;[agents.planner, agents.billing, agents.secret] = await Promise.all([
    startAgent(grpc),
    startAgent(grpc),
    startAgent(grpc, 's3cret'),
  ])
  const listeners = { default: { port: await freePort(), identity: { accept: ['key' as const] } } }
  gateway = await startGateway({ listeners, a2a: { agents: { planner: { url: agents.planner.url } } } })
  const ids: Record<string, string> = {}
  for (const name of ['alice', 'bob', 'planner', 'billing']) {
    const { record, text } = await gateway.keys.create({ name })
    keys[name] = text
    ids[name] = record.id
  }
  const at = ({ url, grpc: host }: TestAgent) => ({ url, hosts: [host] })
  const rules: RulesInput = {
    listeners,
    a2a: {
      agents: {
        planner: { ...at(agents.planner), callers: [`key:${ids.planner}`], skills: { deny: ['book'] } },
        billing: { ...at(agents.billing), callers: [`key:${ids.billing}`] },
        secret: { ...at(agents.secret), credential: { type: 'bearer', token: '${env:A2A_GRPC_TOKEN}' } },
        wrong: at(agents.secret),
        limited: at(agents.planner),
        guarded: at(agents.planner),
      },
      delegation: { maxDepth: 3 },
    },
    policies: {
      rules: {
        launch: { effect: 'deny', when: 'agent.name == "planner" && agent.skill == "launch"', message: 'Not today.' },
      },
    },
    guards: {
      mail: { detect: ['email'], action: 'mask', when: 'agent.name == "guarded"' },
      cards: { detect: ['card'], action: 'deny', when: 'agent.name == "guarded"' },
    },
    limits: {
      few: { requests: 1, per: 'hour', when: 'agent.name == "limited"' },
      delegations: { requests: 3, per: 'day', by: ['tree'], when: 'agent.name != ""' },
    },
  }
  expect(await gateway.gateway.apply(rulesSchema.parse(rules))).toMatchObject({ type: 'applied' })
}, 60_000)

afterAll(async () => {
  delete process.env.A2A_GRPC_TOKEN
  await gateway?.stop()
  await Promise.all(Object.values(agents).map((agent) => agent.close()))
})

const as = (who: string, more: Record<string, string> = {}) => ({ 'x-chaperone-key': keys[who]!, ...more })
const textOf = (text: string, more: object = {}) => ({
  message: { messageId: `${Math.random()}`, role: 'ROLE_USER', parts: [{ text }], ...more },
})
const send = (agent: string, headers: Record<string, string>, text = 'plan it', more: object = {}) =>
  grpcCall(gateway.url, { operation: 'sendMessage', json: { tenant: agent, ...textOf(text, more) } }, headers)

describe('who asks', () => {
  test('has to be known', async () => {
    const answer = await send('planner', {})
    expect(answer).toMatchObject({ httpStatus: 200, status: 16, reason: 'UNAUTHENTICATED', domain: 'chaperone' })
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer /)
    expect(answer.headers['x-request-id']).toBeDefined()
    expect(gateway.a2aRecords.at(-1)).toMatchObject({
      requestId: answer.headers['x-request-id'],
      binding: 'grpc',
      caller: { identity: 'none' },
      error: 'unauthenticated',
    })
    expect(await send('planner', { authorization: 'Bearer sk-chap-forged' })).toMatchObject({ status: 16 })
  })

  test('is not shown to the agent, which gets the gateway’s own credentials', async () => {
    expect(await send('secret', as('alice'))).toMatchObject({ status: 0 })
    expect(agents.secret.seen.at(-1)).toMatchObject({ authorization: 'Bearer s3cret' })
    expect(agents.secret.seen.at(-1)).not.toHaveProperty('x-chaperone-key')
    expect(await send('wrong', as('alice'))).toMatchObject({
      status: 14,
      message: expect.stringContaining('does not take the gateway’s credentials'),
      metadata: { rule: 'a2a.agents.wrong.credential' },
    })
  })
})

test('policies see agent and skill', async () => {
  const launch = await send('planner', as('alice'), 'go', { metadata: { skillId: 'launch' } })
  expect(launch).toMatchObject({ status: 7, message: 'Not today.', metadata: { rule: 'policies.rules.launch' } })
  const hidden = await send('planner', as('alice'), 'go', { metadata: { skillId: 'book' } })
  expect(hidden).toMatchObject({ status: 7, metadata: { rule: 'a2a.agents.planner.skills' } })
})

test('guards see what is said, and what comes back in pieces', async () => {
  await send('guarded', as('alice'), 'write to ann@example.com, only words')
  expect(agents.planner.heard.at(-1)).not.toContain('ann@example.com')
  expect(await send('guarded', as('alice'), 'pay with 4111 1111 1111 1111')).toMatchObject({
    status: 7,
    metadata: { rule: 'guards.cards' },
  })
  const stream = { operation: 'streamMessage' as const, json: { tenant: 'guarded', ...textOf('plan it') } }
  const { messages } = await grpcCall(gateway.url, stream, as('alice'))
  const pieces = messages as { artifactUpdate?: { artifact: { parts?: { text: string }[] } } }[]
  expect(pieces.flatMap(({ artifactUpdate }) => artifactUpdate?.artifact.parts ?? []).map(({ text }) => text)).toEqual(
    expect.arrayContaining([expect.any(String)]),
  )
  expect(pieces.flatMap((each) => each.artifactUpdate?.artifact.parts?.map(({ text }) => text) ?? []).join('')).toBe(
    'go north',
  )
})

test('tasks are their owners’', async () => {
  const { messages } = await send('planner', as('alice'))
  const { id, contextId } = (messages[0] as { task: { id: string; contextId: string } }).task
  const ask = (operation: 'getTask' | 'cancelTask' | 'subscribeToTask', who: string, task: string) =>
    grpcCall(gateway.url, { operation, json: { tenant: 'planner', id: task } }, as(who))
  expect(await ask('getTask', 'alice', id)).toMatchObject({ status: 0, messages: [{ id }] })
  const unknown = await ask('getTask', 'bob', 'never-was')
  for (const operation of ['getTask', 'cancelTask', 'subscribeToTask'] as const) {
    const { status, message, reason } = await ask(operation, 'bob', id)
    expect({ status, message, reason }).toEqual({ status: 5, message: unknown.message, reason: 'TASK_NOT_FOUND' })
  }
  expect(await send('planner', as('bob'), 'and mine?', { contextId })).toMatchObject({ status: 3 })
  const list = (who: string) => grpcCall(gateway.url, { operation: 'listTasks', json: { tenant: 'planner' } }, as(who))
  const idsOf = async (who: string) => ((await list(who)).messages[0]?.tasks as { id: string }[] | undefined) ?? []
  expect((await idsOf('alice')).map((task) => task.id)).toContain(id)
  expect((await idsOf('bob')).map((task) => task.id)).not.toContain(id)
})

test('limits say when to come again', async () => {
  expect(await send('limited', as('alice'))).toMatchObject({ status: 0 })
  const second = await send('limited', as('alice'))
  expect(second).toMatchObject({ status: 8, reason: 'RATE_LIMITED', metadata: { rule: 'limits.few' } })
  expect(Number(second.headers['retry-after'])).toBeGreaterThan(0)
})

describe('delegations', () => {
  /** Gives the planner a task. @returns the token that it gets with it, as metadata */
  async function delegated(): Promise<string> {
    expect(await send('planner', as('alice'))).toMatchObject({ status: 0 })
    return String(agents.planner.seen.at(-1)?.['chaperone-delegation'])
  }

  test('are proved by the token that came with the task, and bound what the tree may do', async () => {
    const token = await delegated()
    const asPlanner = as('planner', { 'chaperone-delegation': token })
    expect(await send('billing', asPlanner)).toMatchObject({ status: 0 })
    expect(gateway.a2aRecords.at(-1)).toMatchObject({ binding: 'grpc', from: 'planner', depth: 1, agent: 'billing' })
    // A loop, by billing, with what it got.
    const further = String(agents.billing.seen.at(-1)?.['chaperone-delegation'])
    const loop = await send('planner', as('billing', { 'chaperone-delegation': further }))
    expect(loop).toMatchObject({ status: 7, metadata: { rule: 'a2a.delegation' } })
    expect(loop.metadata.delegation).toBeDefined()
    // Alice’s own call was the tree’s first.
    expect(await send('billing', asPlanner)).toMatchObject({ status: 0 })
    expect(await send('billing', asPlanner)).toMatchObject({ status: 8, metadata: { rule: 'limits.delegations' } })
  })

  test('of others, and forged ones, are refused', async () => {
    const token = await delegated()
    expect(await send('billing', as('billing', { 'chaperone-delegation': token }))).toMatchObject({ status: 7 })
    const forged = `${token.slice(0, -6)}AAAAAA`
    expect(await send('billing', as('planner', { 'chaperone-delegation': forged }))).toMatchObject({
      status: 7,
      metadata: { rule: 'a2a.delegation' },
    })
    expect(gateway.a2aRecords.at(-1)).toMatchObject({ binding: 'grpc', error: 'permissionDenied' })
  })
})
