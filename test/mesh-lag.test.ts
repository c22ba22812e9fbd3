import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { render } from '../src/cli/render.ts'
import type { RulesInput } from '../src/config/schema.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

/** The rules change, and Envoy, whom somebody else tells, has not heard of it: `chaperone serve --envoy-admin`. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-lag-'))
const files = join(directory, 'envoy')
const socket = join(directory, 'service.sock')
const rulesFile = join(directory, 'chaperone.yaml')
const children: ChildProcess[] = []
let log = ''
let provider: Awaited<ReturnType<typeof upstream>>
let url: string
let telemetry: string
let listeners: RulesInput['listeners']
let ports: { telemetry: number }

function start(command: string, args: readonly string[]): void {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  children.push(child)
}

/** Rules with one model for each name; each has a provider of its own. */
function write(...names: string[]): void {
  const rules: RulesInput = {
    listeners,
    telemetry: { port: ports.telemetry },
    providers: Object.fromEntries(
      names.map((name) => [name, { type: 'openai-compatible', baseUrl: `${provider.url}/${name}/v1` }]),
    ),
    models: Object.fromEntries(names.map((name) => [name, { targets: [{ provider: name }] }])),
  }
  writeFileSync(rulesFile, stringify(rules))
}

const renderTo = (output: string) =>
  render({ target: 'envoy-files', file: rulesFile, socket, output, directory: files }, () => undefined)

const ask = async (model: string) => {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  })
  return { status: response.status, body: await response.json() }
}
const missing = async () =>
  /^chaperone_envoy_missing (\S+)/m.exec(await (await fetch(`${telemetry}/metrics`)).text())?.[1]

beforeAll(async () => {
  provider = await upstream((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
      }),
    )
  })
  const port = await freePort()
  ports = { telemetry: await freePort() }
  url = `http://127.0.0.1:${port}`
  telemetry = `http://127.0.0.1:${ports.telemetry}`
  listeners = { default: { port } }
  write('one')
  expect(await renderTo(files)).toBe(0)
  start(process.execPath, [
    ...['bin/chaperone.mjs', 'serve', '--file', rulesFile, '--socket', socket],
    ...['--envoy-admin', `${socket}.envoy-admin`, '--state', join(directory, 'state')],
  ])
  start(await findEnvoy(process.env, () => undefined), [
    ...['--config-path', join(files, 'bootstrap.yaml'), '--concurrency', '1', '--log-level', 'error'],
    ...['--use-dynamic-base-id', '--drain-strategy', 'immediate'],
  ])
  await eventually(async () => expect(await ask('one')).toMatchObject({ status: 200 }), 60_000)
})

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await provider?.close()
  rmSync(directory, { recursive: true, force: true })
})

test('changed rules wait until Envoy has what they need, and nothing is lost meanwhile', async () => {
  await eventually(async () => expect(await missing(), log).toBe('0'))

  write('one', 'two')
  await eventually(() => expect(log).toContain('the changed rules wait for Envoy'))
  expect(log).toMatch(/"missing":\["upstream\/two@/)
  // The rules before are in force: they know nothing of the other model.
  expect(await ask('two')).toMatchObject({ status: 404, body: { error: { code: 'model_not_found' } } })
  expect(await ask('one')).toMatchObject({ status: 200 })
  expect(await missing()).toBe('0')

  const next = join(directory, 'next')
  expect(await renderTo(next)).toBe(0)
  for (const file of readdirSync(next)) renameSync(join(next, file), join(files, file))
  await eventually(() => expect(log).toContain('the changed rules are in force'))
  expect(await ask('two')).toMatchObject({ status: 200 })
  expect(await ask('one')).toMatchObject({ status: 200 })
})

test('what needs nothing new of Envoy is in force at once', async () => {
  log = ''
  const before = { one: await ask('one'), two: await ask('two') }
  expect(before).toMatchObject({ one: { status: 200 }, two: { status: 200 } })
  const rules = parse(readFileSync(rulesFile, 'utf8')) as RulesInput
  writeFileSync(rulesFile, stringify({ ...rules, aliases: { other: 'one' } }))
  await eventually(() => expect(log).toContain('the changed rules are in force'))
  expect(await ask('other')).toMatchObject({ status: 200 })
  expect(log).not.toContain('wait for Envoy')
})
