import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { RulesInput } from '../src/config/schema.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** What docker-compose.yml starts, without the containers: the same commands, files and rules on other paths and ports. */

interface Compose {
  services: Record<
    'chaperone' | 'envoy' | 'provider' | 'redis',
    { entrypoint: string[]; command: string[]; environment: Record<string, string | null> }
  >
}
const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as Compose

const directory = mkdtempSync(join(tmpdir(), 'chaperone-deploy-'))
const socket = join(directory, 'service.sock')
const admin = `${socket}.envoy-admin`
const children: ChildProcess[] = []
/** What the slow provider has not answered yet. */
const waiting: ServerResponse[] = []
let slow: Awaited<ReturnType<typeof upstream>>
let envoy: ChildProcess
let redis: RedisServer
let telemetry: string
let url: string

function start(command: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } })
  children.push(child)
  return child
}

const exitOf = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode)
    else child.once('exit', (code) => resolve(code))
  })

const ask = (model: string, stream = false) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'hi' }] }),
  })

/** Arguments with other values behind some flags. */
function withFlags(args: readonly string[], values: Record<string, string>): string[] {
  const changed = [...args]
  for (const [name, value] of Object.entries(values)) {
    if (!args.includes(name)) throw new Error(`${name} is not in ${args.join(' ')}`)
    changed[args.indexOf(name) + 1] = value
  }
  return changed
}

function startProvider(port: number): void {
  const { entrypoint, command } = services.provider
  start(process.execPath, [
    entrypoint[1]!.replace(/^\/app\//, ''),
    ...withFlags(command, {
      '--host': '127.0.0.1',
      '--port': String(port),
      '--fixtures': 'envoy/compose/demo/fixtures.json',
    }),
  ])
}

async function startEnvoy(): Promise<void> {
  const bootstrap = join(directory, 'bootstrap.yaml')
  writeFileSync(
    bootstrap,
    readFileSync('envoy/bootstrap.yaml', 'utf8').replaceAll('/run/chaperone/service.sock', socket),
  )
  const binary = await findEnvoy(process.env, () => undefined)
  envoy = start(binary, withFlags(services.envoy.command.slice(1), { '--config-path': bootstrap }))
}

beforeAll(async () => {
  slow = await upstream((request, response) => {
    request.resume()
    waiting.push(response)
  })
  const [listener, telemetryPort, provider] = [await freePort(), await freePort(), await freePort()]
  const rules = parse(readFileSync('envoy/compose/demo/chaperone.yaml', 'utf8')) as RulesInput
  rules.listeners = { default: { ...rules.listeners!.default, port: listener } }
  rules.telemetry = { ...rules.telemetry, port: telemetryPort, logLevel: 'error', accessLog: false }
  const { providers = {}, models = {} } = rules
  providers.demo = {
    type: 'openai-compatible',
    baseUrl: `http://127.0.0.1:${provider}/v1`,
  }
  providers.slow = { type: 'openai-compatible', baseUrl: `${slow.url}/v1` }
  models.slow = { targets: [{ provider: 'slow' }] }
  const file = join(directory, 'chaperone.yaml')
  writeFileSync(file, JSON.stringify(rules))
  url = `http://127.0.0.1:${listener}`
  telemetry = `http://127.0.0.1:${telemetryPort}`
  startProvider(provider)
  // Envoy first, as in k8s/gateway: it waits for the service.
  await startEnvoy()
  redis = await startRedis(services.redis.command.slice(1, services.redis.command.indexOf('--dir')))
  const { CHAPERONE_STORE, CHAPERONE_STATE } = services.chaperone.environment
  start(process.execPath, ['bin/chaperone.mjs', 'serve', '--file', file, '--socket', socket], {
    CHAPERONE_STORE: CHAPERONE_STORE!.replace('redis:6379', `127.0.0.1:${redis.port}`),
    CHAPERONE_STATE: join(directory, CHAPERONE_STATE!),
  })
  await eventually(async () => expect((await ask('demo')).status).toBe(200), 60_000)
})

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(children.map(exitOf))
  await slow?.close()
  await redis?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('the demo answers, whole and streamed', async () => {
  const whole = await ask('any-model')
  expect(await whole.json()).toMatchObject({ choices: [{ message: { content: expect.stringContaining('demo') } }] })
  const streamed = await ask('any-model', true)
  expect(streamed.headers.get('content-type')).toContain('text/event-stream')
  expect(await streamed.text()).toMatch(/data: \[DONE\]\s*$/)
})

test('what was used is in the Redis beside it, while the rules are the file’s', async () => {
  const store = `redis://127.0.0.1:${redis.port}`
  await eventually(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      'bin/chaperone.mjs',
      'usage',
      '--store',
      store,
      '-o',
      'json',
    ])
    expect(stdout).toMatch(/"requests":\s*[1-9]/)
  })
  const published = promisify(execFile)(process.execPath, ['bin/chaperone.mjs', 'rules', 'show', '--store', store])
  await expect(published).rejects.toMatchObject({ code: 1 })
})

test('what the probes ask is answered', async () => {
  for (const path of ['/readyz', '/livez', '/metrics']) expect((await fetch(telemetry + path)).status, path).toBe(200)
})

test('drain.mjs says what is wrong', async () => {
  expect(await exitOf(start(process.execPath, ['envoy/drain.mjs', '--at-most', 'soon']))).toBe(2)
  expect(await exitOf(start(process.execPath, ['envoy/drain.mjs', '--admin', join(directory, 'none')]))).toBe(2)
})

test('drain.mjs lets a request finish, sends agents away meanwhile, and ends Envoy', async () => {
  const underWay = ask('slow')
  await eventually(() => expect(waiting).toHaveLength(1))

  // Too short a time for the request: it goes on, and that is said.
  expect(await exitOf(start(process.execPath, ['envoy/drain.mjs', '--admin', admin, '--at-most', '0']))).toBe(1)

  const drain = start(process.execPath, ['envoy/drain.mjs', '--admin', admin, '--quit'])
  let drained = false
  drain.once('exit', () => {
    drained = true
  })
  await eventually(async () => {
    const other = await ask('demo')
    expect(other.status).toBe(200)
    expect(other.headers.get('connection')).toBe('close')
  })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(drained).toBe(false)
  expect(envoy.exitCode).toBeNull()

  waiting[0]!.setHeader('content-type', 'application/json').end(
    JSON.stringify({
      id: 'late',
      object: 'chat.completion',
      created: 1,
      model: 'slow',
      choices: [{ index: 0, message: { role: 'assistant', content: 'late' }, finish_reason: 'stop' }],
    }),
  )
  const answer = await underWay
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ id: 'late' })
  expect(await exitOf(drain)).toBe(0)
  expect(await exitOf(envoy)).toBe(0)
})
