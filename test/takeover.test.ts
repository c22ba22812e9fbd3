import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findEnvoy } from '../src/envoy/binary.ts'
import { EnvoyProcess } from '../src/envoy/process.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { connectOld } from './mcp/clients.ts'
import { type StepsServer, startStepsServer } from './mcp/steps-server.ts'
import { startLoad, startProvider } from './upgrade/load.ts'

/** Another service takes the place of the one that runs, under load: `chaperone serve --takeover`. */

interface Service {
  process: ChildProcess
  /** All that it has written. */
  said: string
  /** Its exit code, when it has one. */
  ended: Promise<number | null>
}

const directory = mkdtempSync(join(tmpdir(), 'chaperone-takeover-'))
const socket = join(directory, 'service.sock')
const rulesFile = join(directory, 'chaperone.yaml')
const services: Service[] = []
let provider: Awaited<ReturnType<typeof startProvider>>
let server: StepsServer
let url: string
let telemetry: string
let envoy: EnvoyProcess

function startService(...options: string[]): Service {
  const child = spawn(process.execPath, ['bin/chaperone.mjs', 'serve', '-f', rulesFile, '-s', socket, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const service: Service = {
    process: child,
    said: '',
    ended: new Promise((resolve) => child.once('exit', resolve)),
  }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      service.said += String(chunk)
    })
  services.push(service)
  return service
}

const begun = (service: Service) => eventually(() => expect(service.said).toContain('service listens on'), 60_000)
const ask = () =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"m","messages":[{"role":"user","content":"hi"}]}',
  })

beforeAll(async () => {
  provider = await startProvider()
  server = await startStepsServer()
  const port = await freePort()
  const telemetryPort = await freePort()
  url = `http://127.0.0.1:${port}`
  telemetry = `http://127.0.0.1:${telemetryPort}`
  const rules = {
    listeners: { default: { port } },
    providers: { openai: { type: 'openai-compatible', baseUrl: provider.url } },
    models: { m: { targets: [{ provider: 'openai' }] } },
    // No keys for what is sealed: the first service makes one.
    mcp: { servers: { slow: { type: 'http', url: server.url } } },
    telemetry: { port: telemetryPort, accessLog: false },
  }
  writeFileSync(rulesFile, JSON.stringify(rules))
  startService()
  envoy = new EnvoyProcess({
    binary: await findEnvoy(process.env, () => undefined),
    socket,
    concurrency: 2,
    log: () => undefined,
    crashed: () => undefined,
  })
  envoy.start()
  await eventually(async () => expect((await ask()).status).toBe(200), 60_000)
})

afterAll(async () => {
  await envoy?.stop(0)
  for (const { process } of services) process.kill('SIGKILL')
  await provider?.stop()
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('no request is lost, a stream that began before is finished by who began it, and the first service ends', async () => {
  const first = services[0]!
  const load = startLoad(url, 8, provider.letGo)
  const long = load.hold()
  await long.begun
  const mcp = await connectOld(`${url}/mcp`)
  let progress = 0
  const call = mcp.client.callTool({ name: 'slow_steps', arguments: { count: 150 } }, undefined, {
    timeout: 120_000,
    onprogress: () => {
      progress++
    },
  })
  await eventually(() => expect(progress).toBeGreaterThan(0))
  const second = startService('--takeover')
  await begun(second)
  const at = load.done
  await eventually(() => expect(load.done).toBeGreaterThan(at + 100), 60_000)
  expect(first.process.exitCode).toBeNull()
  expect(await long.release()).toContain('"end"')
  expect(await call).toMatchObject({ content: [{ text: '150 steps' }] })
  expect(progress).toBe(150)
  expect(await first.ended).toBe(0)
  // The session is the first service's, and so is the key that sealed it.
  expect(await mcp.client.callTool({ name: 'slow_steps', arguments: { count: 1 } })).toMatchObject({
    content: [{ text: '1 steps' }],
  })
  await mcp.close()
  const after = load.done
  await eventually(() => expect(load.done).toBeGreaterThan(after + 50), 60_000)
  await load.stop()
  expect(load.failures).toEqual([])
  expect((await fetch(`${telemetry}/readyz`)).status).toBe(200)
  await eventually(() => expect(second.said).toContain('the service before has ended'))
  // The sockets are the second one's, by the known names and its own.
  expect(readdirSync(directory).filter((name) => /^service\.sock\.[0-9a-f]{6}$/.test(name))).toHaveLength(1)
}, 180_000)

test('a service that cannot start leaves the one that runs as it was', async () => {
  const load = startLoad(url, 4, provider.letGo)
  // It finds that its port is taken when Envoy comes to it already.
  const blocker = await upstream((_, response) => response.end())
  const failed = startService('--takeover', '--api', `127.0.0.1:${new URL(blocker.url).port}`)
  expect(await failed.ended).toBe(1)
  await blocker.close()
  const at = load.done
  await eventually(() => expect(load.done).toBeGreaterThan(at + 50), 60_000)
  await load.stop()
  expect(load.failures).toEqual([])
  await eventually(async () => expect((await fetch(`${telemetry}/readyz`)).status).toBe(200))
}, 120_000)

test('without --takeover a second service does not start', async () => {
  const other = startService()
  expect(await other.ended).toBe(1)
  expect(other.said).toContain('--takeover')
  expect((await ask()).status).toBe(200)
}, 60_000)
