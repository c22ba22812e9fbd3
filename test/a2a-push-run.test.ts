import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { lookInto, pushJournal } from '../src/a2a/push/store/push-journal.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { EnvoyProcess } from '../src/envoy/process.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { type Receiver, startReceiver } from './a2a/receiver.ts'
import { eventually } from './gateway.ts'
import { freePort } from './harness.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** Notifications over the ends of processes: services that are killed, followed, and taken over from by others. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-push-run-'))
const socket = join(directory, 'service.sock')
const key = Buffer.alloc(32, 7).toString('base64')
const services: ChildProcess[] = []
let agent: TestAgent
let receiver: Receiver
let redis: RedisServer
let envoy: EnvoyProcess
let url: string
let hook: string
let hooks = 0

/** Rules of a service; each has ports of its own. @returns the file */
async function rulesFile(name: string, port: number, keys: boolean): Promise<string> {
  const file = join(directory, `${name}.yaml`)
  const push = { schemes: ['http'], ports: [receiver.port], networks: ['127.0.0.1/32'], publicUrl: url }
  writeFileSync(
    file,
    JSON.stringify({
      listeners: { default: { port } },
      telemetry: { port: await freePort(), logLevel: 'error' },
      a2a: {
        agents: { planner: { url: agent.url } },
        push: { ...push, ...(keys && { keys: [{ id: 'k', secret: '${env:PUSH_KEY}' }] }) },
      },
    }),
  )
  return file
}

function start(file: string, args: string[], at = socket): ChildProcess {
  const child = spawn(process.execPath, ['bin/chaperone.mjs', 'serve', '-f', file, '-s', at, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PUSH_KEY: key },
  })
  services.push(child)
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
}

const ready = () =>
  eventually(async () => {
    const response = await fetch(`${url}/a2a`)
    if (response.status !== 200) throw new Error(`not ready: ${response.status}`)
  }, 60_000)

/** Has the agent work on a task. @param waiting how much waits: the agent tells of its work beside the answer */
async function plan(waiting?: () => Promise<number>): Promise<void> {
  const response = await fetch(`${url}/a2a/planner`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'SendMessage' },
      params: {
        message: { messageId: `m${Math.random()}`, role: 'ROLE_USER', parts: [{ text: 'a private plan' }] },
        configuration: { taskPushNotificationConfig: { url: hook, token: 'clients-token' } },
      },
    }),
  })
  expect(await response.json()).toMatchObject({ result: { task: { status: { state: 'TASK_STATE_COMPLETED' } } } })
  if (waiting) await eventually(async () => expect(await waiting()).toBe(5))
}

const got = () => receiver.got.filter(({ path }) => receiver.url + path === hook)
/** All that was said came, in order; what came twice has the same id. */
async function allCame(): Promise<void> {
  await eventually(() => expect(got().at(-1)?.body.statusUpdate?.status.state).toBe('TASK_STATE_COMPLETED'), 30_000)
  const ids = new Map(got().map(({ headers, body }) => [headers['idempotency-key'], Object.keys(body)[0]]))
  expect([...ids.values()]).toEqual(['task', 'statusUpdate', 'artifactUpdate', 'artifactUpdate', 'statusUpdate'])
}

beforeAll(async () => {
  ;[agent, receiver, redis] = await Promise.all([
    startAgent(undefined, undefined, undefined, true),
    startReceiver(),
    startRedis(),
  ])
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  await rulesFile('local', port, false)
  await rulesFile('shared', port, true)
  await rulesFile('other', await freePort(), true)
  envoy = new EnvoyProcess({
    binary: await findEnvoy(process.env, () => undefined),
    ...{ socket, concurrency: 1, log: () => undefined, crashed: () => undefined },
  })
  envoy.start()
}, 120_000)
beforeEach(() => {
  hook = `${receiver.url}/hook${hooks++}`
})
afterAll(async () => {
  await Promise.all(services.map(kill))
  await envoy?.stop(0)
  await Promise.all([agent?.close(), receiver?.close(), redis?.stop()])
  rmSync(directory, { recursive: true, force: true })
})

test('on one machine: what waits when the service is killed is delivered by the next, or by one that takes its place', async () => {
  const state = join(directory, 'state')
  const local = ['--state', state]
  const file = join(directory, 'local.yaml')
  const first = start(file, local)
  await ready()
  const waiting = () => lookInto(pushJournal(state)).waiting()
  await receiver.close()
  await plan(waiting)
  await kill(first)
  for (const name of readdirSync(state))
    expect(readFileSync(join(state, name), 'latin1')).not.toMatch(/clients-token|private|hook\d/)
  await receiver.open()
  start(file, local)
  await allCame()

  await ready()
  hook = `${receiver.url}/followed`
  // What is being delivered then is left to the one that follows.
  receiver.answer = () => undefined
  await plan(waiting)
  const third = start(file, [...local, '--takeover', '--farewell', '1'])
  const owner = () => readFileSync(`${pushJournal(state)}.owner`, 'utf8').split(' ')[0]
  await eventually(() => expect(owner()).toBe(String(third.pid)), 30_000)
  receiver.answer = undefined
  await allCame()
  await ready()

  // A client that says that nobody is there any more.
  hook = `${receiver.url}/gone`
  receiver.answer = (_, response) => void response.writeHead(410).end()
  await plan()
  const letters = await eventually(async () => {
    const { code, text } = await command(['a2a', 'undelivered', ...local, '-o', 'json'])
    expect(code).toBe(1)
    return (JSON.parse(text) as { undelivered: object[] }).undelivered
  })
  receiver.answer = undefined
  expect(letters).toMatchObject([
    { agent: 'planner', host: `127.0.0.1:${receiver.port}`, reason: 'status 410', tries: 1 },
  ])
  expect((await command(['a2a', 'undelivered', ...local])).text).toMatch(/planner .* status 410/)
  expect((await command(['a2a', 'undelivered', '--state', join(directory, 'none')])).code).toBe(0)
}, 120_000)

test('with Redis: another replica goes on where one is killed, and nothing can be read there', async () => {
  await Promise.all(services.map(kill))
  const store = ['--store', redis.url]
  const killed = start(join(directory, 'shared.yaml'), [...store, '--state', join(directory, 'a')])
  start(join(directory, 'other.yaml'), [...store, '--state', join(directory, 'b')], join(directory, 'other.sock'))
  await ready()
  const client = new Redis(redis.url)
  try {
    await receiver.close()
    await plan(async () => Number(await client.get('chaperone:{default}:a2a:push:waiting')))
    await kill(killed)
    const keys = await client.keys('chaperone:{default}:a2a:push:*')
    expect(keys.some((name) => name.includes(':queue:'))).toBe(true)
    for (const name of keys) expect(String(await client.dump(name))).not.toMatch(/clients-token|private|hook\d/)
    await receiver.open()
    await allCame()
    expect(await client.get('chaperone:{default}:a2a:push:waiting')).toBe('0')
  } finally {
    client.disconnect()
  }
  expect(await command(['a2a', 'undelivered', ...store])).toEqual({ code: 0, text: 'No notification was given up.\n' })
}, 120_000)

function command(args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['bin/chaperone.mjs', ...args], (error, text) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, text }),
    )
  })
}
