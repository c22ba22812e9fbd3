import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Commands, type Running, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { startSentinel } from './redis.ts'

/**
 * A Redis whose master dies under load, with a replica and a Sentinel: two sidecars that share keys, limits, budgets, usage
 * and rules go on without a request lost, and with the new master as soon as there is one.
 */
const commands = new Commands()
const ports = [await freePort(), await freePort()]
const telemetry = [await freePort(), await freePort()]
let sentinel: Awaited<ReturnType<typeof startSentinel>>
let provider: Awaited<ReturnType<typeof upstream>>
let sidecars: Running[]
let key: string

const at = (name: string) => join(commands.directory, name)
const run = (...args: string[]) => commands.run([...args, '--store', sentinel.url])

const rules = (more = '') => `
listeners:
  one: { port: ${ports[0]}, identity: { accept: [key] } }
providers: { main: { type: openai-compatible, baseUrl: "${provider.url}/v1" } }
models: { m: { targets: [{ provider: main }] }, other: { targets: [{ provider: main }] } }
prices: { m: { input: 1000, output: 1000 } }
limits: { many: { requests: 1000000, per: day, by: [key] } }
budgets: { month: { usd: 1000000, per: month, by: [team] } }
telemetry: { port: ${telemetry[0]}, accessLog: false }
${more}`

const ask = async (sidecar: number, model = 'm') => {
  const response = await fetch(`http://127.0.0.1:${ports[sidecar]}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
  })
  await response.arrayBuffer()
  return response.status
}

beforeAll(async () => {
  sentinel = await startSentinel()
  provider = await upstream((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
    )
  })
  writeFileSync(at('rules.yaml'), rules())
  expect(await run('rules', 'apply', '-f', at('rules.yaml'), '-m', 'first')).toMatchObject({ code: 0 })
  const { text } = await run('keys', 'create', '--name', 'test', '--team', 'research', '-o', 'json')
  key = (JSON.parse(text) as { key: string }).key
  sidecars = [await commands.start(['run', '--store', sentinel.url, '--state', at('one')])]
  await ready(sidecars[0]!)
}, 60_000)

afterAll(async () => {
  await commands.end()
  await Promise.all([provider?.close(), sentinel?.stop()])
})

test('no request is lost, and the new master has the rules, the keys and what was used', async () => {
  let stop = false
  const statuses = new Map<number | string, number>()
  const load = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!stop) {
        const outcome = await ask(0).catch(String)
        statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }),
  )
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await sentinel.master.kill()
  const began = performance.now()
  // Published as soon as there is a master to publish to, and obeyed by a sidecar that was connected to the old one.
  writeFileSync(
    at('rules.yaml'),
    rules('policies: { rules: { no-other: { effect: deny, when: \'model == "other"\', message: Use m. } } }'),
  )
  await eventually(async () => {
    expect(await run('rules', 'apply', '-f', at('rules.yaml'), '-m', 'no other')).toMatchObject({ code: 0 })
  }, 40_000)
  await eventually(async () => expect(await ask(0, 'other')).toBe(403), 10_000)
  const seconds = (performance.now() - began) / 1000
  const { text } = await run('keys', 'create', '--name', 'late', '-o', 'json')
  const late = JSON.parse(text) as { id: string; key: string }
  const asLate = async () => {
    const response = await fetch(`http://127.0.0.1:${ports[0]}/v1/models`, {
      headers: { authorization: `Bearer ${late.key}` },
    })
    await response.arrayBuffer()
    return response.status
  }
  await eventually(async () => expect(await asLate()).toBe(200), 5_000)
  await run('keys', 'revoke', late.id)
  await eventually(async () => expect(await asLate()).toBe(401), 5_000)
  stop = true
  await load
  expect([...statuses.keys()]).toEqual([200])
  const answered = statuses.get(200)!
  expect(answered).toBeGreaterThan(300)

  // What was used is in the books of the new master: the journals on disk bring what the old one took with it.
  await eventually(async () => {
    const usage = JSON.parse((await run('usage', '-o', 'json')).text) as { requests?: number }[]
    const counted = JSON.stringify(usage)
    const total = [...counted.matchAll(/"requests":(\d+)/g)].reduce((sum, [, requests]) => sum + Number(requests), 0)
    console.log(`${answered} answered, ${total} in the books; rules obeyed ${seconds.toFixed(1)} s after the death`)
    expect(total).toBe(answered)
  }, 20_000)
  const client = new Redis({ port: sentinel.replica.port, host: '127.0.0.1' })
  expect(await client.info('replication')).toContain('role:master')
  client.disconnect()
}, 120_000)
