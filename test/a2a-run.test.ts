import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JWK } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCard } from '../src/a2a/card/read-card.ts'
import { verifyCard } from '../src/a2a/card/signatures.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { Commands, type Running, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort } from './harness.ts'

/** A gateway for agents as an operator starts it. */

let commands: Commands
let agent: TestAgent
let running: Running
let url: string

beforeAll(async () => {
  commands = new Commands()
  agent = await startAgent()
  const [port, telemetry] = [await freePort(), await freePort()]
  url = `http://127.0.0.1:${port}`
  const key = join(commands.directory, 'key.pem')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(
    join(commands.directory, 'chaperone.yaml'),
    `listeners: { default: { port: ${port} } }
telemetry: { port: ${telemetry} }
a2a:
  baseUrl: ${url}
  signer: { keyFile: "${key}", id: one }
  agents:
    planner: { url: ${agent.url} }
`,
  )
  running = await commands.start(['run'])
  await ready(running)
}, 60_000)

afterAll(async () => {
  await commands?.end()
  await agent?.close()
})

const json = async (path: string) => (await fetch(url + path)).text()

test('it says where agents are', () => {
  expect(running.text()).toContain(`${url}/a2a/planner`)
})

test('cards are signed with the key of the rules, which is published', async () => {
  const card = readCard(Buffer.from(await json('/a2a/planner/.well-known/agent-card.json')))
  const { keys } = JSON.parse(await json('/.well-known/jwks.json')) as { keys: JWK[] }
  const find = (kid: string, jku: string | undefined) =>
    jku === `${url}/.well-known/jwks.json` ? keys.find((key) => key.kid === kid) : undefined
  expect(await verifyCard(card, find)).toEqual({ type: 'verified', kid: 'one' })
  const changed = { ...card, card: { ...card.card, name: 'Somebody else' } }
  expect(await verifyCard(changed, find)).toMatchObject({ type: 'invalid' })
})

test('each call is a line in the log, without what was said', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  for (const [text, method] of [
    ['hidden words', 'SendMessage'],
    ['hidden words', 'Nonsense'],
  ])
    await (
      await fetch(`${url}/a2a/planner`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'a2a-version': '1.0', traceparent },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method,
          params: { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text }] } },
        }),
      })
    ).text()
  const lines = await eventually(() => {
    const found = running
      .text()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { msg: string })
      .filter(({ msg }) => msg.startsWith('a2a'))
    if (found.length < 2) throw new Error(`${found.length} lines`)
    return found
  })
  expect(lines).toMatchObject([
    {
      msg: 'a2a',
      agent: 'planner',
      operation: 'sendMessage',
      binding: 'jsonrpc',
      version: '1.0',
      via: 'jsonrpc 1.0',
      state: 'TASK_STATE_COMPLETED',
      taskId: expect.any(String),
      contextId: expect.any(String),
      traceId: 'a'.repeat(32),
      depth: 0,
    },
    { msg: 'a2a failed', agent: 'planner', error: 'methodNotFound' },
  ])
  expect(running.text()).not.toContain('hidden words')
  // The trace goes on at the agent.
  expect(agent.seen.at(-1)?.traceparent).toContain('a'.repeat(32))
})
