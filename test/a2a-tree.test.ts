import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { publishedServer } from './mcp/stdio.ts'

/** What comes of one task is one tree: what its agents spend on models, tools and other agents is counted together. */

let gateway: TestGateway
let planner: TestAgent
let billing: TestAgent
let provider: Awaited<ReturnType<typeof upstream>>
/** The headers that the provider was sent. */
const sent: NodeJS.Dict<string | string[]>[] = []
const keys: Record<string, string> = {}

beforeAll(async () => {
  ;[planner, billing] = await Promise.all([startAgent(), startAgent()])
  provider = await upstream((request, response) => {
    sent.push(request.headers)
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 60, completion_tokens: 40, total_tokens: 100 },
      }),
    )
  })
  process.env.TREE_KEY = 'k'
  const listeners = { default: { port: await freePort(), identity: { accept: ['key' as const] } } }
  gateway = await startGateway({ listeners, a2a: { agents: { planner: { url: planner.url } } } })
  const ids: Record<string, string> = {}
  for (const name of ['person', 'planner', 'billing']) {
    const { record, text } = await gateway.keys.create({ name })
    keys[name] = text
    ids[name] = record.id
  }
  const { command, args } = publishedServer('everything')
  const input: RulesInput = {
    listeners,
    providers: { fake: { type: 'openai', baseUrl: `${provider.url}/v1`, apiKey: '${env:TREE_KEY}' } },
    models: {
      small: { targets: [{ provider: 'fake', model: 'm' }] },
      large: { targets: [{ provider: 'fake', model: 'm' }] },
    },
    mcp: {
      servers: {
        every: { type: 'stdio', command, ...(args && { args }) },
        other: { type: 'stdio', command, ...(args && { args }) },
      },
    },
    a2a: {
      agents: {
        planner: { url: planner.url, callers: [`key:${ids.planner}`] },
        billing: { url: billing.url, callers: [`key:${ids.billing}`] },
      },
      delegation: {
        rules: { all: { effect: 'allow', when: 'true', grants: { models: ['small'], servers: ['every'] } } },
      },
    },
    budgets: { tree: { tokens: 350, per: 'day', by: ['tree'] } },
    limits: {
      tools: { requests: 3, per: 'day', by: ['tree'], when: 'tool.name != ""' },
      delegations: { requests: 3, per: 'day', by: ['tree'], when: 'agent.name != ""' },
    },
    policies: {
      rules: {
        'no-night-work': {
          effect: 'deny',
          when: 'model == "small" && identity.chain.size() > 0 && has(parameters.temperature) && parameters.temperature == 2.0',
        },
      },
    },
  }
  expect(await gateway.gateway.apply(rulesSchema.parse(input))).toMatchObject({ type: 'applied' })
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  await Promise.all([planner?.close(), billing?.close(), provider?.close()])
})

/** Gives an agent a task. @returns what it was given to show */
async function delegate(
  from: string,
  to: TestAgent,
  name: string,
  delegation?: string,
  more: Record<string, string> = {},
): Promise<string> {
  const response = await fetch(`${gateway.url}/a2a/${name}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      'x-chaperone-key': keys[from]!,
      ...(delegation !== undefined && { 'chaperone-delegation': delegation }),
      ...more,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: { message: { messageId: `${Math.random()}`, role: 'ROLE_USER', parts: [{ text: 'plan it' }] } },
    }),
  })
  const { error } = (await response.json()) as { error?: { message: string } }
  if (error) throw new Error(error.message)
  return String(to.seen.at(-1)?.['chaperone-delegation'])
}

/** Asks a model as an agent. */
function ask(as: string, delegation?: string, more: { model?: string; temperature?: number } = {}) {
  const client = new OpenAI({
    apiKey: keys[as]!,
    baseURL: `${gateway.url}/v1`,
    maxRetries: 0,
    ...(delegation !== undefined && { defaultHeaders: { 'chaperone-delegation': delegation } }),
  })
  return client.chat.completions.create({
    model: 'small',
    max_tokens: 40,
    messages: [{ role: 'user', content: 'x'.repeat(200) }],
    ...more,
  })
}

/** Calls a tool as an agent. */
async function tool(as: string, name: string, delegation: string): Promise<unknown> {
  const client = new Client({ name: 'agent', version: '1' })
  const headers = { authorization: `Bearer ${keys[as]}`, 'chaperone-delegation': delegation }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers } }))
  try {
    return await client.callTool({ name, arguments: { message: 'hello' } })
  } finally {
    await client.close()
  }
}

describe('a tree', () => {
  test('has one budget of tokens for all of its agents, and another tree has its own', async () => {
    const first = await delegate('person', planner, 'planner')
    const second = await delegate('planner', billing, 'billing', first)
    await ask('planner', first)
    await ask('billing', second)
    await ask('planner', first)
    const refused = await eventually(async () => {
      const error = await ask('billing', second).then(
        () => undefined,
        (reason: InstanceType<typeof OpenAI.APIError>) => reason,
      )
      if (!error) throw new Error('not used up')
      return error
    })
    expect(refused.status).toBe(402)
    expect(refused.message).toContain('tree')
    await ask('planner', await delegate('person', planner, 'planner'))
    // And what nobody delegated is in no tree.
    await ask('planner')
  })

  test('has one limit of tool calls, and one of delegations', async () => {
    const first = await delegate('person', planner, 'planner')
    const second = await delegate('planner', billing, 'billing', first)
    for (const [as, token] of [
      ['planner', first],
      ['billing', second],
      ['planner', first],
    ] as const)
      expect(await tool(as, 'every_echo', token)).toMatchObject({ content: [{ text: 'Echo: hello' }] })
    await expect(tool('billing', 'every_echo', second)).rejects.toThrow(/limit.*tools/)
    await delegate('planner', billing, 'billing', first)
    await expect(delegate('planner', billing, 'billing', first)).rejects.toThrow(/limit.*delegations/)
  })

  test('its agents use no more than they were granted, and policies know for whom they work', async () => {
    const first = await delegate('person', planner, 'planner')
    await expect(ask('planner', first, { model: 'large' })).rejects.toMatchObject({ status: 403 })
    await expect(ask('planner', first, { temperature: 2 })).rejects.toMatchObject({ status: 403 })
    await ask('planner', undefined, { model: 'large', temperature: 2 })
    await expect(tool('planner', 'other_echo', first)).rejects.toThrow(/Unknown tool/)
  })

  test('is one trace, also where its agents show nothing but what was delegated to them', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
    const traceparent = `00-${trace}-00f067aa0ba902b7-01`
    const first = await delegate('person', planner, 'planner', undefined, { traceparent, tracestate: 'acme=1' })
    expect(planner.seen.at(-1)).toMatchObject({ traceparent, tracestate: 'acme=1' })
    await ask('planner', first)
    expect(sent.at(-1)?.traceparent).toBe(traceparent)
    await tool('planner', 'every_echo', first)
    expect(gateway.mcpRecords.find(({ method }) => method === 'tools/call')).toBeDefined()
    expect(gateway.mcpRecords.at(-1)?.traceparent).toBe(traceparent)
    await delegate('planner', billing, 'billing', first)
    expect(billing.seen.at(-1)?.traceparent).toBe(traceparent)
    expect(gateway.a2aRecords.at(-1)).toMatchObject({ traceparent, depth: 1 })
    // What the agent says itself counts.
    const own = `00-${trace}-aaaaaaaaaaaaaaaa-01`
    await delegate('planner', billing, 'billing', first, { traceparent: own })
    expect(billing.seen.at(-1)?.traceparent).toBe(own)
    // And where nobody has begun a trace, one begins.
    const other = await delegate('person', planner, 'planner')
    expect(other).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01\.ey/)
    await ask('planner', other)
    expect(sent.at(-1)?.traceparent).toBe(other.slice(0, 55))
  })

  test('a token of another agent, or one that was changed, is refused; providers see none', async () => {
    const first = await delegate('person', planner, 'planner')
    await expect(ask('billing', first)).rejects.toMatchObject({ status: 403, code: 'delegation_refused' })
    await expect(ask('person', first)).rejects.toMatchObject({ status: 403, code: 'delegation_refused' })
    await expect(ask('planner', `${first.slice(0, -6)}AAAAAA`)).rejects.toMatchObject({ status: 403 })
    await expect(tool('billing', 'every_echo', first)).rejects.toThrow(/another agent/)
    await ask('planner', first)
    expect(sent.length).toBeGreaterThan(0)
    for (const headers of sent) expect(headers).not.toHaveProperty('chaperone-delegation')
  })
})
