import { Role } from '@a2a-js/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { claimsOf, startAgent, type TestAgent } from './a2a/agent.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

/** A person asks the planner, the planner asks billing, billing asks the archive: who may, and what proves it. */

let gateway: TestGateway
let agents: Record<'planner' | 'billing' | 'archive', TestAgent>
const keys: Record<string, string> = {}
let input: RulesInput

beforeAll(async () => {
  const [planner, billing, archive] = await Promise.all([startAgent(), startAgent(), startAgent()])
  agents = { planner, billing, archive }
  const listeners = { default: { port: await freePort(), identity: { accept: ['key' as const] } } }
  gateway = await startGateway({ listeners, a2a: { agents: { planner: { url: planner.url } } } })
  const ids: Record<string, string> = {}
  for (const name of ['person', 'planner', 'billing']) {
    const { record, text } = await gateway.keys.create({ name })
    keys[name] = text
    ids[name] = record.id
  }
  input = {
    listeners,
    a2a: {
      agents: {
        planner: { url: planner.url, callers: [`key:${ids.planner}`] },
        billing: { url: billing.url, callers: [`key:${ids.billing}`] },
        archive: { url: archive.url },
      },
      delegation: {
        maxDepth: 3,
        required: true,
        default: 'deny',
        rules: {
          ask: { effect: 'allow', when: 'agent.depth == 0 && agent.name != "archive"' },
          pass: { effect: 'allow', when: 'agent.depth > 0', grants: { agents: ['billing', 'planner'] } },
          closed: { effect: 'deny', when: 'agent.skill == "refund"', message: 'Refunds are for people.' },
        },
      },
    },
  }
  expect(await gateway.gateway.apply(rulesSchema.parse(input))).toMatchObject({ type: 'applied' })
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  await Promise.all(Object.values(agents ?? {}).map((agent) => agent.close()))
})

/** Asks an agent as somebody. @param delegation the token to show */
async function ask(from: string, to: string, delegation?: string, skill?: string) {
  const response = await fetch(`${gateway.url}/a2a/${to}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      'x-chaperone-key': keys[from]!,
      ...(delegation !== undefined && { 'chaperone-delegation': delegation }),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: {
        message: {
          messageId: `${Math.random()}`,
          role: Role[Role.ROLE_USER],
          parts: [{ text: 'plan it' }],
          ...(skill !== undefined && { metadata: { skillId: skill } }),
        },
      },
    }),
  })
  return (await response.json()) as {
    result?: { task: { status: { state: string } } }
    error?: { code: number; message: string; data: { metadata?: Record<string, string> }[] }
  }
}

/** What an agent was given with the task that came last. */
const given = (agent: TestAgent) => String(agent.seen.at(-1)?.['chaperone-delegation'])

/** What was said to one that was refused. */
async function refusal(...asked: Parameters<typeof ask>) {
  const before = agents[asked[1] as 'planner'].heard.length
  const { error } = await ask(...asked)
  expect(agents[asked[1] as 'planner'].heard.length).toBe(before)
  expect(error?.code).toBe(-32081)
  return `${error?.data[0]?.metadata?.delegation ?? error?.data[0]?.metadata?.rule}: ${error?.message}`
}

describe('a chain', () => {
  test('grows by one with each delegation, and says on whose behalf', async () => {
    expect(await ask('person', 'planner')).toHaveProperty('result.task')
    const first = given(agents.planner)
    expect(claimsOf(first)).toMatchObject({ aud: 'planner', iss: 'chaperone' })
    expect(await ask('planner', 'billing', first)).toHaveProperty('result.task')
    const second = claimsOf(given(agents.billing))
    expect(second).toMatchObject({
      aud: 'billing',
      sub: claimsOf(first).sub,
      txn: claimsOf(first).txn,
      act: { sub: 'planner', act: { sub: expect.stringMatching(/^key:/) } },
      rights: { agents: ['billing', 'planner'] },
    })
  })

  test('agents that call nobody get no token', async () => {
    await ask('person', 'planner')
    await ask('planner', 'archive', given(agents.planner))
    expect(agents.archive.seen.length).toBeGreaterThan(0)
    for (const headers of agents.archive.seen) expect(headers).not.toHaveProperty('chaperone-delegation')
  })

  test('its rights are those that every link of it leaves', async () => {
    await ask('person', 'planner')
    await ask('planner', 'billing', given(agents.planner))
    expect(await refusal('billing', 'archive', given(agents.billing))).toMatch(/does not reach to the agent archive/)
  })
})

describe('refused', () => {
  beforeAll(async () => {
    await ask('person', 'planner')
    await ask('planner', 'billing', given(agents.planner))
  })

  test('a loop', async () => {
    expect(await refusal('billing', 'planner', given(agents.billing))).toMatch(/^delegation_loop: .*→ planner/)
    expect(await refusal('planner', 'planner', given(agents.planner))).toMatch(/^delegation_loop/)
  })

  test('a chain that is too deep', async () => {
    const shallow = structuredClone(input)
    shallow.a2a!.delegation!.maxDepth = 1
    await gateway.gateway.apply(rulesSchema.parse(shallow))
    expect(await refusal('planner', 'billing', given(agents.planner))).toMatch(/^delegation_too_deep/)
    await gateway.gateway.apply(rulesSchema.parse(input))
  })

  test('a token of another agent', async () => {
    expect(await refusal('billing', 'archive', given(agents.planner))).toMatch(/^wrong_audience/)
  })

  test('a token shown by somebody who is no agent', async () => {
    expect(await refusal('person', 'billing', given(agents.planner))).toMatch(/Only agents that the rules know/)
  })

  test('a token that was changed, is of nobody known, or is none', async () => {
    const [head, body, signature] = given(agents.planner).slice(56).split('.') as [string, string, string]
    const claims = { ...claimsOf(given(agents.planner)), sub: 'the boss' }
    const written = Buffer.from(JSON.stringify(claims)).toString('base64url')
    expect(await refusal('planner', 'billing', `${head}.${written}.${signature}`)).toMatch(/^bad_signature/)
    const elsewhere = Buffer.from(JSON.stringify({ ...claims, iss: 'elsewhere' })).toString('base64url')
    expect(await refusal('planner', 'billing', `${head}.${elsewhere}.${signature}`)).toMatch(/^unknown_key/)
    const none = Buffer.from('{"alg":"none","typ":"chaperone-delegation+jwt"}').toString('base64url')
    expect(await refusal('planner', 'billing', `${none}.${body}.`)).toMatch(/^malformed_token/)
    expect(await refusal('planner', 'billing', 'nonsense')).toMatch(/^malformed_token/)
  })

  test('an agent that shows nothing, where the rules want it to', async () => {
    expect(await refusal('planner', 'billing')).toMatch(/^a2a\.delegation\.required/)
  })

  test('what no rule allows, and what one forbids', async () => {
    expect(await refusal('person', 'archive')).toMatch(/^a2a\.delegation\.default/)
    expect(await refusal('person', 'planner', undefined, 'refund')).toBe(
      'a2a.delegation.rules.closed: Refunds are for people.',
    )
  })
})
