import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findEnvoy } from '../src/envoy/binary.ts'
import { EnvoyProcess } from '../src/envoy/process.ts'
import { eventually } from './gateway.ts'
import { freePort } from './harness.ts'

const mock = new LLMock({ port: 0, logLevel: 'silent' })
const directory = mkdtempSync(join(tmpdir(), 'chaperone-down-'))
const socket = join(directory, 'service.sock')
const rules = join(directory, 'chaperone.yaml')
let port: number
let service: ChildProcess
let envoy: EnvoyProcess

function startService(): void {
  service = spawn(process.execPath, ['bin/chaperone.mjs', 'serve', '-f', rules, '-s', socket], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, TEST_KEY: 'k' },
  })
}

const ask = () =>
  fetch(`http://127.0.0.1:${port}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"gpt","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}',
  })

beforeAll(async () => {
  mock.onMessage(/.*/, { content: 'fine' })
  await mock.start()
  port = await freePort()
  writeFileSync(
    rules,
    JSON.stringify({
      listeners: { default: { port } },
      providers: { openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TEST_KEY}' } },
      models: { gpt: { targets: [{ provider: 'openai' }] } },
      telemetry: { port: await freePort(), logLevel: 'error' },
    }),
  )
  startService()
  envoy = new EnvoyProcess({
    binary: await findEnvoy(process.env, () => undefined),
    socket,
    concurrency: 1,
    log: () => undefined,
    crashed: () => undefined,
  })
  envoy.start()
  await eventually(async () => expect((await ask()).status).toBe(200), 60_000)
})

afterAll(async () => {
  await envoy?.stop(0)
  service?.kill('SIGKILL')
  await mock.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('without the service Envoy fails closed with 503 in the client’s format, and recovers by itself', async () => {
  const seen = mock.getRequests().length
  service.kill('SIGKILL')
  await new Promise((resolve) => service.once('exit', resolve))
  const response = await ask()
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } })
  expect(mock.getRequests().length).toBe(seen)
  startService()
  await eventually(async () => expect((await ask()).status).toBe(200), 60_000)
})
