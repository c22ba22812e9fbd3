import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findEnvoy } from '../src/envoy/binary.ts'
import { EnvoyProcess } from '../src/envoy/process.ts'
import { RedisKeyStore } from '../src/identity/redis-key-store.ts'
import { validateRuleFiles } from '../src/rule-check.ts'
import { RedisRuleStore } from '../src/store/redis-rule-store.ts'
import { RedisBooks } from '../src/usage/redis-books.ts'
import { dayOf } from '../src/usage/rollup.ts'
import { Commands, type Running } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** A sidecar that is killed with requests settled and one under way: its usage is counted, once, when it comes back. */
const commands = new Commands()
const at = (name: string) => join(commands.directory, name)
let redis: RedisServer
let client: Redis
let provider: Awaited<ReturnType<typeof upstream>>
let envoy: EnvoyProcess
let service: Running
let port: number
let key: string

const startService = () =>
  commands.start(['serve', '--store', redis.url, '--state', at('state'), '-s', at('service.sock')])
const ask = (stream: boolean) =>
  fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: 'hello' }] }),
  })
const finish = async () => {
  const response = await ask(false)
  await response.arrayBuffer()
  return response.status
}
const today = dayOf(Date.now())
const used = async () => {
  const [row] = await new RedisBooks(client, 'default').usage({ from: today, to: dayOf(Date.now()), by: ['team'] })
  return { requests: row?.requests ?? 0, tokens: (row?.input ?? 0) + (row?.output ?? 0) }
}
/** What the budget has counted. */
const counted = async () => {
  const [meter] = await client.keys('chaperone:{default}:meter:budget:pot:*')
  return meter === undefined ? 0 : Number(await client.hget(meter, 's'))
}

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url)
  port = await freePort()
  provider = await upstream((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      if (body.includes('"stream":true')) {
        // An answer that begins and does not end.
        response.setHeader('content-type', 'text/event-stream')
        response.write(
          'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":null}]}\n\n',
        )
        return
      }
      response.setHeader('content-type', 'application/json')
      response.end(
        '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
      )
    })
  })
  const rules = JSON.stringify({
    listeners: { default: { port, identity: { accept: ['key'] } } },
    telemetry: { port: await freePort(), accessLog: false },
    providers: { main: { type: 'openai-compatible', baseUrl: `${provider.url}/v1` } },
    models: { m: { targets: [{ provider: 'main' }] } },
    budgets: { pot: { tokens: 1_000_000, per: 'month', by: ['team'] } },
  })
  const store = new RedisRuleStore(client, 'default', validateRuleFiles)
  const by = { author: 'test', message: '', parent: 0 }
  expect(await store.publish([{ name: 'chaperone.yaml', text: rules }], by)).toMatchObject({ type: 'published' })
  const keys = await RedisKeyStore.open(client, { tenant: 'default', report: () => undefined })
  key = (await keys.create({ name: 'test', team: 'research' })).text
  await keys.close()
  service = await startService()
  envoy = new EnvoyProcess({
    binary: await findEnvoy(process.env, () => undefined),
    socket: at('service.sock'),
    concurrency: 1,
    log: () => undefined,
    crashed: () => undefined,
  })
  envoy.start()
  await eventually(async () => expect(await finish()).toBe(200), 60_000)
})

afterAll(async () => {
  await envoy?.stop(0)
  await commands.end()
  await provider?.close()
  client?.disconnect()
  await redis?.stop()
})

test('what was settled is counted once, the request under way ends, and the next ones are answered', async () => {
  let finished = 1
  for (; finished < 20; finished++) expect(await finish()).toBe(200)
  const hanging = await ask(true)
  const reader = hanging.body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toContain('"hi"')
  const ended = reader.read().then(
    ({ done }) => done || 'more',
    () => 'cut',
  )
  // A quiet sidecar writes at once; one that is as busy as this, every 10 ms.
  await new Promise((resolve) => setTimeout(resolve, 100))
  service.child.kill('SIGKILL')
  await service.exited
  expect(['cut', true]).toContain(
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 10_000, 'it hangs'))]),
  )
  expect(await finish()).toBe(503)

  service = await startService()
  await eventually(async () => expect(await finish()).toBe(200), 60_000)
  finished++
  await eventually(async () => expect(await used()).toEqual({ requests: finished, tokens: finished * 5 }), 20_000)
  await eventually(async () => expect(await counted()).toBe(finished * 5), 20_000)
  // Told again, nothing is counted again.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(await used()).toEqual({ requests: finished, tokens: finished * 5 })
  expect(await counted()).toBe(finished * 5)
})
