import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Redis } from 'ioredis'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RedisOwners } from '../src/a2a/tasks/redis-owners.ts'
import type { RulesInput } from '../src/config/schema.ts'
import { MemoryKeyStore } from '../src/identity/memory-key-store.ts'
import { RedisAuthority } from '../src/limits/redis-authority.ts'
import { claimsOf, startAgent, type TestAgent } from './a2a/agent.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { publishedServer } from './mcp/stdio.ts'
import { type RedisServer, startRedis } from './redis.ts'

/**
 * Two agents, each behind a gateway of its own: what a task may spend is said where it begins, and holds at both, which know of each
 * other by Redis alone.
 */

let redis: RedisServer
const clients: Redis[] = []
const keyStore = new MemoryKeyStore()
let gateways: Record<'planner' | 'billing', TestGateway>
let planner: TestAgent
let billing: TestAgent
let provider: Awaited<ReturnType<typeof upstream>>
/** The provider does not answer, or does not come to an end. */
let slow: boolean | 'stream' = false
let directory: string
const keys: Record<string, string> = {}

beforeAll(async () => {
  ;[redis, planner, billing] = await Promise.all([startRedis(), startAgent(), startAgent()])
  provider = await upstream((request, response) => {
    request.resume()
    if (slow === 'stream') {
      response.setHeader('content-type', 'text/event-stream')
      const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
      const data = JSON.stringify({ ...chunk, choices: [{ index: 0, delta: { content: 'on ' }, finish_reason: null }] })
      const timer = setInterval(() => response.write(`data: ${data}\n\n`), 100)
      response.once('close', () => clearInterval(timer))
      return
    }
    if (slow) return
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
  process.env.BUDGET_KEY = 'k'
  const ids: Record<string, string> = {}
  for (const name of ['person', 'other', 'planner', 'billing']) {
    const { record, text } = await keyStore.create({ name, ...(name === 'person' && { user: 'alice' }) })
    keys[name] = text
    ids[name] = record.id
  }
  const { command, args } = publishedServer('everything')
  directory = mkdtempSync(join(tmpdir(), 'chaperone-budget-'))
  const keyFile = join(directory, 'key.pem')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const signer = { keyFile, id: 'k1' }
  const rules = async (tree: NonNullable<RulesInput['a2a']>['tree']): Promise<RulesInput> => ({
    listeners: { default: { port: await freePort(), identity: { accept: ['key'] } } },
    providers: { fake: { type: 'openai', baseUrl: `${provider.url}/v1`, apiKey: '${env:BUDGET_KEY}' } },
    models: { m: { targets: [{ provider: 'fake' }] } },
    prices: { 'fake/m': { input: 1000, output: 1000 } },
    mcp: { servers: { every: { type: 'stdio', command, ...(args && { args }) } } },
    a2a: {
      signer,
      tree,
      agents: {
        planner: { url: planner.url, callers: [`key:${ids.planner}`] },
        billing: { url: billing.url, callers: [`key:${ids.billing}`] },
      },
    },
  })
  const start = async (input: RulesInput) => {
    const client = new Redis(redis.port)
    clients.push(client)
    return startGateway(input, {
      authority: new RedisAuthority(client, 'test'),
      taskOwners: new RedisOwners(client, 'test'),
      keys: keyStore,
    })
  }
  // Only where a task begins do the rules say what it may spend.
  const [one, other] = await Promise.all([
    rules({ usd: 1, tokens: 450, toolCalls: 3, delegations: 3, time: '60s' }).then(start),
    rules({}).then(start),
  ])
  gateways = { planner: one, billing: other }
}, 60_000)

afterAll(async () => {
  await Promise.all(Object.values(gateways ?? {}).map((gateway) => gateway.stop()))
  for (const client of clients) client.disconnect()
  await Promise.all([planner?.close(), billing?.close(), provider?.close(), redis?.stop()])
  if (directory !== undefined) rmSync(directory, { recursive: true })
})

type At = keyof typeof gateways

interface Said {
  delegation: string
  taskId: string
}

/** Sends an agent a message. @returns what it was given to show. @throws {Error} with the code and the text */
async function delegate(
  at: At,
  from: string,
  to: TestAgent,
  name: string,
  more: { delegation?: string; budget?: string; taskId?: string; text?: string; now?: boolean } = {},
): Promise<Said> {
  const response = await fetch(`${gateways[at].url}/a2a/${name}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      'x-chaperone-key': keys[from]!,
      ...(more.delegation !== undefined && { 'chaperone-delegation': more.delegation }),
      ...(more.budget !== undefined && { 'chaperone-budget': more.budget }),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: {
        message: {
          messageId: `${Math.random()}`,
          role: 'ROLE_USER',
          parts: [{ text: more.text ?? 'plan it' }],
          ...(more.taskId !== undefined && { taskId: more.taskId }),
        },
        ...(more.now && { configuration: { returnImmediately: true } }),
      },
    }),
  })
  const { error, result } = (await response.json()) as {
    error?: { code: number; message: string }
    result?: { task: { id: string } }
  }
  if (error) throw new Error(`${error.code}: ${error.message}`)
  return { delegation: String(to.seen.at(-1)?.['chaperone-delegation']), taskId: result!.task.id }
}

function ask(at: At, as: string, delegation: string, maxTokens = 40) {
  const defaultHeaders = { 'chaperone-delegation': delegation }
  const client = new OpenAI({ apiKey: keys[as]!, baseURL: `${gateways[at].url}/v1`, maxRetries: 0, defaultHeaders })
  const messages = [{ role: 'user' as const, content: 'hello' }]
  return client.chat.completions.create({ model: 'm', max_tokens: maxTokens, messages })
}

async function tool(
  at: At,
  as: string,
  delegation: string,
  name = 'every_echo',
  args: Record<string, unknown> = { message: 'hello' },
): Promise<unknown> {
  const client = new Client({ name: 'agent', version: '1' })
  const headers = { authorization: `Bearer ${keys[as]}`, 'chaperone-delegation': delegation }
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${gateways[at].url}/mcp`), { requestInit: { headers } }),
  )
  try {
    return await client.callTool({ name, arguments: args })
  } finally {
    await client.close()
  }
}

/** A task of a person's: what the planner and billing are given to show. */
async function tree(budget?: string) {
  const first = await delegate('planner', 'person', planner, 'planner', budget === undefined ? {} : { budget })
  const { delegation } = await delegate('planner', 'planner', billing, 'billing', { delegation: first.delegation })
  return { first: first.delegation, second: delegation, taskId: first.taskId }
}

const refused = (attempt: () => Promise<unknown>) =>
  eventually(async () => {
    const error = await attempt().then(
      () => undefined,
      (reason: Error & { status?: number; code?: string }) => reason,
    )
    if (!error) throw new Error('not used up')
    return error
  })

describe('a budget opened with a task', () => {
  test('bounds the tokens of all its agents, at all gateways, and says whose it is', async () => {
    const { first, second } = await tree()
    await ask('planner', 'planner', first)
    await ask('billing', 'billing', second)
    await ask('planner', 'planner', first)
    await ask('billing', 'billing', second)
    const error = await refused(() => ask('billing', 'billing', second))
    expect(error).toMatchObject({ status: 402, code: 'budget_exceeded' })
    expect(error.message).toContain(`The budget of the tree ${claimsOf(first).txn}, opened by alice (450 tokens)`)
    expect(gateways.billing.refusals.at(-1)).toMatchObject({ rule: 'a2a.tree.tokens' })
    // Another task has its own.
    const another = await tree()
    await ask('billing', 'billing', another.second)
  })

  test('goes over by no more than what was under way when it ran out', async () => {
    const { first, second } = await tree('tokens=300')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, n) =>
        n % 2 === 0 ? ask('planner', 'planner', first) : ask('billing', 'billing', second),
      ),
    )
    const went = outcomes.filter(({ status }) => status === 'fulfilled').length
    // Each reserves what it may use before it is let in (46), and uses 100.
    expect(went).toBeGreaterThanOrEqual(2)
    expect(went).toBeLessThanOrEqual(7)
    await refused(() => ask('planner', 'planner', first))
  })

  test('bounds money', async () => {
    const { first, second } = await tree('usd=0.15')
    await ask('planner', 'planner', first)
    await ask('billing', 'billing', second)
    const error = await refused(() => ask('planner', 'planner', first))
    expect(error).toMatchObject({ status: 402 })
    expect(error.message).toContain('0.15 US dollars')
  })

  test('bounds calls of tools and delegations, of which none is too many', async () => {
    const { first, second } = await tree()
    await Promise.all([tool('planner', 'planner', first), tool('billing', 'billing', second)])
    await tool('billing', 'billing', second)
    const calls = await refused(() => tool('planner', 'planner', first))
    expect(calls.message).toMatch(/opened by alice \(3 tool calls\) is used up/)
    // The person's own message and the planner's are two of three.
    await delegate('billing', 'planner', billing, 'billing', { delegation: first })
    const delegations = await refused(() => delegate('planner', 'planner', billing, 'billing', { delegation: first }))
    expect(delegations.message).toMatch(/^-32083: .*\(3 delegations\) is used up/)
  })

  test('goes on with its task: another message is no way to another budget', async () => {
    const more = { text: 'hang', budget: 'tool-calls=1', now: true }
    const { delegation, taskId } = await delegate('planner', 'person', planner, 'planner', more)
    await tool('planner', 'planner', delegation)
    const again = await delegate('planner', 'person', planner, 'planner', { taskId })
    expect(claimsOf(again.delegation)).toMatchObject({ txn: claimsOf(delegation).txn })
    const error = await refused(() => tool('planner', 'planner', again.delegation))
    expect(error.message).toMatch(/1 tool calls/)
    // Of others it is no task at all.
    await expect(delegate('planner', 'other', planner, 'planner', { taskId })).rejects.toThrow(/no such task/)
  })

  test('time that is over is refused, and cuts off what is under way, by whatever protocol', async () => {
    const { first, second } = await tree('time=2')
    slow = true
    const began = Date.now()
    const long = { duration: 60, steps: 60 }
    const [model, calls, agent] = await Promise.all([
      refused(() => ask('billing', 'billing', second)),
      refused(() => tool('planner', 'planner', first, 'every_trigger-long-running-operation', long)),
      refused(() => delegate('billing', 'planner', billing, 'billing', { delegation: first, text: 'hang' })),
    ])
    slow = false
    expect(Date.now() - began).toBeLessThan(10_000)
    expect(model).toMatchObject({ status: 402, code: 'budget_exceeded' })
    for (const { message } of [model, calls, agent]) expect(message).toMatch(/opened by alice \(2 seconds\) is used up/)
    await expect(ask('planner', 'planner', first)).rejects.toMatchObject({ status: 402 })
    await expect(tool('planner', 'planner', first)).rejects.toThrow(/2 seconds/)
    await expect(delegate('planner', 'planner', billing, 'billing', { delegation: first })).rejects.toThrow(/2 seconds/)
  })
})

test('a stream of a model ends with the error when the time is over', async () => {
  const { first } = await tree('time=1')
  const defaultHeaders = { 'chaperone-delegation': first }
  const baseURL = `${gateways.planner.url}/v1`
  const client = new OpenAI({ apiKey: keys.planner!, baseURL, maxRetries: 0, defaultHeaders })
  slow = 'stream'
  const read = async () => {
    let text = ''
    const messages = [{ role: 'user' as const, content: 'hello' }]
    const stream = await client.chat.completions.create({ model: 'm', messages, stream: true })
    try {
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    } catch (error) {
      return { text, message: (error as Error).message }
    }
    return { text, message: 'it went well' }
  }
  const { text, message } = await read()
  slow = false
  expect(text).toMatch(/^on on /)
  expect(message).toMatch(/opened by alice \(1 seconds\) is used up/)
  await eventually(() =>
    expect(gateways.planner.records.at(-1)).toMatchObject({ status: 200, errorCode: 'budget_exceeded', aborted: true }),
  )
})

describe('a caller', () => {
  test('can only lower it', async () => {
    const { first } = await tree('tool-calls=100, delegations=2, usd=50')
    expect(claimsOf(first).budgets).toEqual([
      {
        id: claimsOf(first).txn,
        by: 'alice',
        usd: 1,
        tokens: 450,
        toolCalls: 3,
        delegations: 2,
        time: 60,
        until: expect.any(Number),
      },
    ])
    await expect(delegate('planner', 'planner', billing, 'billing', { delegation: first })).rejects.toThrow(
      /2 delegations/,
    )
  })

  test('that is an agent opens a smaller one for what it delegates, which holds beside the tree’s', async () => {
    const { delegation: first } = await delegate('planner', 'person', planner, 'planner')
    const { delegation: second } = await delegate('planner', 'planner', billing, 'billing', {
      delegation: first,
      budget: 'tool-calls=1',
    })
    await tool('billing', 'billing', second)
    const error = await refused(() => tool('billing', 'billing', second))
    expect(error.message).toMatch(/opened by planner \(1 tool calls\)/)
    await tool('planner', 'planner', first)
    await tool('planner', 'planner', first)
    await expect(tool('planner', 'planner', first)).rejects.toThrow(/opened by alice \(3 tool calls\)/)
  })

  test('whose budget is not understood is told how it is written', async () => {
    await expect(delegate('planner', 'person', planner, 'planner', { budget: 'wishes=3' })).rejects.toThrow(
      /^-32602: .*usd=0.5, tokens=20000/,
    )
  })
})
