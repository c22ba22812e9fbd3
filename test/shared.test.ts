import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Commands, type Running, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** A gateway that takes rules, keys and counts from Redis, as policy teams and sidecars use it. */
const commands = new Commands()
const ports = [await freePort(), await freePort()]
let redis: RedisServer
let provider: Awaited<ReturnType<typeof upstream>>
let gateway: Running
let key: string
let asked = 0

const at = (name: string) => join(commands.directory, name)
const run = (...args: string[]) => commands.run([...args, '--store', redis.url])

const rules = (more = '') => `
listeners: { default: { port: ${ports[0]}, identity: { accept: [key] } } }
telemetry: { port: ${ports[1]}, accessLog: false }
providers: { main: { type: openai-compatible, baseUrl: "${provider.url}/v1" } }
models: { m: { targets: [{ provider: main }] }, other: { targets: [{ provider: main }] } }
${more}`

const ask = (model = 'm') =>
  fetch(`http://127.0.0.1:${ports[0]}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
  })
const status = async (model?: string) => {
  const response = await ask(model)
  await response.arrayBuffer()
  return response.status
}

beforeAll(async () => {
  redis = await startRedis()
  provider = await upstream((request, response) => {
    asked++
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
    )
  })
  writeFileSync(at('rules.yaml'), rules())
  const applied = await run('rules', 'apply', '-f', at('rules.yaml'), '-m', 'first')
  expect(applied).toMatchObject({ code: 0, text: expect.stringContaining('Published revision 1') })
  const created = await run('keys', 'create', '--name', 'test', '--team', 'research', '-o', 'json')
  key = (JSON.parse(created.text) as { key: string }).key
  gateway = await commands.start(['run', '--store', redis.url, '--state', at('state')])
  await ready(gateway)
})

afterAll(async () => {
  await commands.end()
  await provider?.close()
  await redis?.stop()
})

test('a key made on the command line is let in, and refused within a second of its revocation', async () => {
  expect(await status()).toBe(200)
  const { text } = await run('keys', 'create', '--name', 'short', '-o', 'json')
  const short = JSON.parse(text) as { id: string; key: string }
  const asShort = async () => {
    const response = await fetch(`http://127.0.0.1:${ports[0]}/v1/models`, {
      headers: { authorization: `Bearer ${short.key}` },
    })
    await response.arrayBuffer()
    return response.status
  }
  await eventually(async () => expect(await asShort()).toBe(200), 1_500)
  await run('keys', 'revoke', short.id)
  await eventually(async () => expect(await asShort()).toBe(401), 1_000)
})

test('a published rule is obeyed within a second, and a rollback as well', async () => {
  expect(await status('other')).toBe(200)
  writeFileSync(
    at('rules.yaml'),
    rules('policies: { rules: { no-other: { effect: deny, when: \'model == "other"\', message: Use m. } } }'),
  )
  const shown = await run('rules', 'apply', '-f', at('rules.yaml'), '--dry-run')
  expect(shown.text).toContain('+policies: { rules:')
  expect(await status('other')).toBe(200)
  await run('rules', 'apply', '-f', at('rules.yaml'), '-m', 'no other')
  await eventually(async () => expect(await status('other')).toBe(403), 1_000)
  await run('rules', 'rollback')
  await eventually(async () => expect(await status('other')).toBe(200), 1_000)
  expect((await run('rules', 'log', '-o', 'json')).text).toContain('"rollback to 1"')
})

test('what was decided about a request is explained by its id, step by step, and changes are in the audit log', async () => {
  const admitted = await ask()
  await admitted.arrayBuffer()
  const policies =
    '{ rules: { quiet: { effect: deny, when: "request.bytes > 100000" }, no-other: { effect: deny, when: "model == \\"other\\"" } } }'
  writeFileSync(at('explained.yaml'), rules(`policies: ${policies}\nlimits: { rpm: { requests: 1000, by: [team] } }\n`))
  expect((await run('rules', 'apply', '-f', at('explained.yaml'))).code).toBe(0)
  await eventually(async () => expect(await status('other')).toBe(403), 2_000)
  const refused = await ask('other')
  await refused.arrayBuffer()
  const explained = async (response: Response) => {
    const id = response.headers.get('x-request-id')!
    let told = { code: 1 as number | null, text: '' }
    await eventually(async () => {
      told = await run('explain', id)
      expect(told.text).toContain('outcome')
    }, 10_000)
    return told
  }
  const first = await explained(admitted)
  expect(first.code).toBe(0)
  expect(first.text).toMatch(
    /revision {2}\d+\n\n {2}identity: key \w+: research\n {2}models\.m: served by main\/m\n {2}policies\.default: allow\n {2}main\/m: was asked, and said 200\n/,
  )
  const second = await explained(refused)
  expect(second.code).toBe(2)
  expect(second.text).toContain(
    '  policies.rules.quiet: did not apply\n✗ policies.rules.no-other: refused it: policy_denied\n  outcome: 403 policy_denied\n',
  )
  const audit = await run('audit', '-o', 'json')
  const { changes } = JSON.parse(audit.text) as { changes: { action: string; outcome: string }[] }
  expect(changes.map(({ action }) => action)).toEqual(expect.arrayContaining(['publish', 'create_key', 'revoke_key']))
  writeFileSync(at('rules.yaml'), rules())
  expect((await run('rules', 'apply', '-f', at('rules.yaml'))).code).toBe(0)
})

test('rules that are wrong are not published, and say where they are wrong', async () => {
  writeFileSync(at('rules.yaml'), rules('policies: { rules: { a: { effect: deny, when: "modle == \'x\'" } } }'))
  const refused = await run('rules', 'apply', '-f', at('rules.yaml'))
  expect(refused.code).toBe(1)
  expect(refused.text).toMatch(/chaperone\.yaml:6:\d+ policies\.rules\.a\.when: column 1 of the expression: /)
})

test('a change every second under load drops no request', async () => {
  let stop = false
  const statuses = new Map<number | string, number>()
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!stop) {
        const outcome = await status().catch(String)
        statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1)
      }
    }),
  )
  const before = gateway.text().split('the changed rules are in force').length
  for (let i = 0; i < 6; i++) {
    writeFileSync(at('rules.yaml'), rules(`prompts: { p${i}: { when: "false", append: x } }`))
    await run('rules', 'apply', '-f', at('rules.yaml'), '-m', `change ${i}`)
  }
  await eventually(() =>
    expect(gateway.text().split('the changed rules are in force').length).toBeGreaterThanOrEqual(before + 6),
  )
  stop = true
  await load
  expect([...statuses.keys()]).toEqual([200])
  expect(statuses.get(200)).toBeGreaterThan(200)
}, 120_000)

test('without Redis it goes on, and starts again from what it knew', async () => {
  await redis.kill()
  for (let i = 0; i < 20; i++) expect(await status()).toBe(200)
  const code = gateway.exited
  gateway.child.kill('SIGTERM')
  expect(await code).toBe(0)
  const again = await commands.start(['run', '--store', redis.url, '--state', at('state')])
  await ready(again)
  expect(again.text()).toMatch(/revision 11 of the store/)
  expect(await status()).toBe(200)
  const stranger = await fetch(`http://127.0.0.1:${ports[0]}/v1/models`, {
    headers: { authorization: 'Bearer nobody' },
  })
  expect(stranger.status).toBe(401)
  expect(asked).toBeGreaterThan(200)
}, 120_000)

test('a first start without Redis says what is missing', async () => {
  const { code, text } = await commands.run(['serve', '--store', redis.url, '--state', at('empty')])
  expect(code).toBe(1)
  expect(text).toMatch(/Redis cannot be used: it does not answer/)
})
