import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rulesSchema } from '../src/config/schema.ts'
import { askAdmin } from '../src/envoy/admin.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'
import { eventually } from './gateway.ts'
import { freePort } from './harness.ts'
import { startLoad, startProvider } from './upgrade/load.ts'

/** Another Envoy takes the place of the one that runs, under load: envoy/hot-restart.mjs. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-hot-'))
const socket = join(directory, 'service.sock')
const bootstrapFile = join(directory, 'bootstrap.json')
const admin = `${socket}.envoy-admin`
let provider: Awaited<ReturnType<typeof startProvider>>
let url: string
let service: ChildProcess
let envoys: ChildProcess
let said = ''

const ask = () =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"m","messages":[{"role":"user","content":"hi"}]}',
  })
/** Which Envoy has the admin interface. */
const epoch = async () =>
  (JSON.parse(await askAdmin(admin, '/server_info')) as { command_line_options: { restart_epoch: number } })
    .command_line_options.restart_epoch

beforeAll(async () => {
  provider = await startProvider()
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  const rules = rulesSchema.parse({
    listeners: { default: { port } },
    providers: { openai: { type: 'openai-compatible', baseUrl: provider.url } },
    models: { m: { targets: [{ provider: 'openai' }] } },
    telemetry: { port: await freePort(), logLevel: 'error', accessLog: false },
  })
  writeFileSync(join(directory, 'chaperone.yaml'), JSON.stringify(rules))
  writeFileSync(bootstrapFile, JSON.stringify(bootstrap({ nodeId: 'hot', socket, adminSocket: admin })))
  service = spawn(
    process.execPath,
    ['bin/chaperone.mjs', 'serve', '-f', join(directory, 'chaperone.yaml'), '-s', socket],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const binary = await findEnvoy(process.env, () => undefined)
  envoys = spawn(
    process.execPath,
    [
      ...['envoy/hot-restart.mjs', '--parent-shutdown-s', '15', '--', binary],
      ...['-c', bootstrapFile, '--concurrency', '2', '--log-level', 'warning'],
      ...['--drain-strategy', 'immediate', '--drain-time-s', '604800'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  envoys.stderr!.on('data', (chunk) => {
    said += String(chunk)
  })
  await eventually(async () => expect((await ask()).status).toBe(200), 60_000)
})

afterAll(async () => {
  envoys?.kill('SIGTERM')
  if (envoys?.exitCode === null) await new Promise((resolve) => envoys.once('exit', resolve))
  service?.kill('SIGKILL')
  await provider?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('no request is lost, and a stream that began before goes on', async () => {
  const load = startLoad(url, 8, provider.letGo)
  const long = load.hold()
  await long.begun
  expect(await epoch()).toBe(0)
  envoys.kill('SIGHUP')
  await eventually(async () => expect(await epoch()).toBe(1), 60_000)
  const at = load.done
  await eventually(() => expect(load.done).toBeGreaterThan(at + 100), 60_000)
  expect(await long.release()).toContain('"end"')
  await load.stop()
  expect(load.failures).toEqual([])
}, 120_000)

test('one that would not start is not started; a second one waits until the first is over', async () => {
  const load = startLoad(url, 4, provider.letGo)
  const good = readFileSync(bootstrapFile, 'utf8')
  writeFileSync(bootstrapFile, '{"static_resources": 7}')
  // Epoch 0 has its time still.
  envoys.kill('SIGHUP')
  await eventually(() => expect(said).toContain('the next one starts when it has'))
  await eventually(() => expect(said).toContain('its configuration is not valid'), 60_000)
  expect(await epoch()).toBe(1)
  writeFileSync(bootstrapFile, good)
  envoys.kill('SIGHUP')
  await eventually(async () => expect(await epoch()).toBe(2), 60_000)
  await load.stop()
  expect(load.failures).toEqual([])
}, 120_000)

test('what it keeps running is asked for in words, and what is its own to say is refused', () => {
  for (const argv of [
    [],
    ['--'],
    ['--parent-shutdown-s', '0', '--', 'envoy'],
    ['--', 'envoy', '--restart-epoch', '3'],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, ['envoy/hot-restart.mjs', ...argv], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toMatch(/usage:|is this script/)
  }
})
