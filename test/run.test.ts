import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Commands, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

/** The commands as a user calls them. */
let commands: Commands
let directory: string
const chaperone = (args: string[], env?: Record<string, string>) => commands.start(args, env)

beforeEach(() => {
  commands = new Commands()
  directory = commands.directory
})
afterEach(() => commands.end())

const ask = (port: number, model: string) =>
  fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
  })

const answer = (text: string) =>
  upstream((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      }),
    )
  })

test('without any key the demo answers, and says that it is one', async () => {
  const [port, telemetry] = [await freePort(), await freePort()]
  writeFileSync(join(directory, 'unused.yaml'), '')
  const running = await chaperone(['run'], {
    CHAPERONE_PORT: String(port),
    CHAPERONE_TELEMETRY_PORT: String(telemetry),
  })
  await ready(running)
  expect(running.text()).toContain(`http://127.0.0.1:${port}/v1`)
  expect(running.text()).toMatch(/demo/)
  const response = await ask(port, 'gpt-4o-mini')
  expect(response.status).toBe(200)
  expect(await response.text()).toContain('This is a demo')
  expect((await fetch(`http://127.0.0.1:${telemetry}/readyz`)).status).toBe(200)
  const metrics = await (await fetch(`http://127.0.0.1:${telemetry}/metrics`)).text()
  expect(metrics).toMatch(/chaperone_requests_total\{operation="chat",model="gpt-4o-mini",provider="demo".*\} 1/)
  running.child.kill('SIGTERM')
  expect(await running.exited).toBe(0)
})

test('a changed file is obeyed within a second, a wrong one is not', async () => {
  const [port, telemetry] = [await freePort(), await freePort()]
  const [one, two] = [await answer('one'), await answer('two')]
  const file = join(directory, 'chaperone.yaml')
  const rules = (url: string, more = '') => `listeners: { default: { port: ${port} } }
telemetry: { port: ${telemetry} }
providers:
  p: { type: openai-compatible, baseUrl: ${url}/v1 }
models:
  m: { targets: [{ provider: p }] }
${more}`
  writeFileSync(file, rules(one.url))
  const running = await chaperone(['run'])
  await ready(running)
  expect(await (await ask(port, 'm')).text()).toContain('one')

  writeFileSync(file, rules(two.url))
  const changed = performance.now()
  await eventually(async () => expect(await (await ask(port, 'm')).text()).toContain('two'))
  expect(performance.now() - changed).toBeLessThan(2_000)

  writeFileSync(file, rules(one.url, 'modls: {}'))
  await eventually(() => expect(running.text()).toContain('did you mean'))
  expect(running.text()).toMatch(/chaperone\.yaml:7:1 modls: there is no such key here; did you mean \\"models\\"\?/)
  expect(await (await ask(port, 'm')).text()).toContain('two')
  await one.close()
  await two.close()
})

test('rules that are wrong from the start are refused', async () => {
  writeFileSync(join(directory, 'chaperone.yaml'), 'providers: {}\nmodels:\n  m: { targets: [{ provider: nobody }] }\n')
  const running = await chaperone(['run'])
  expect(await running.exited).toBe(1)
  expect(running.text()).toMatch(/chaperone\.yaml:3:\d+ models\.m\.targets\[0\]\.provider: /)
})

test('a port that is taken is named', async () => {
  const taken = await answer('')
  const running = await chaperone(['run'], {
    CHAPERONE_PORT: new URL(taken.url).port,
    CHAPERONE_TELEMETRY_PORT: String(await freePort()),
  })
  expect(await running.exited).toBe(1)
  expect(running.text()).toContain(new URL(taken.url).port)
  expect(running.text()).toMatch(/cannot start: .*(in use|taken)/)
  await taken.close()
})

test('an Envoy that is not there is named', async () => {
  const running = await chaperone(['run'], { ENVOY_PATH: join(directory, 'no-envoy') })
  expect(await running.exited).toBe(1)
  expect(running.text()).toMatch(/ENVOY_PATH is .*no-envoy, which is not an executable file/)
})

test('requests under way are finished before it stops', async () => {
  const [port, telemetry] = [await freePort(), await freePort()]
  const slow = await upstream((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: {"choices":[{"index":0,"delta":{"content":"begun"}}]}\n\n')
    setTimeout(
      () => response.end('data: {"choices":[{"index":0,"delta":{"content":" and ended"}}]}\n\ndata: [DONE]\n\n'),
      1_500,
    )
  })
  writeFileSync(
    join(directory, 'chaperone.yaml'),
    `listeners: { default: { port: ${port} } }
telemetry: { port: ${telemetry} }
providers:
  p: { type: openai-compatible, baseUrl: ${slow.url}/v1 }
models:
  m: { targets: [{ provider: p }] }
`,
  )
  const running = await chaperone(['run'])
  await ready(running)
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}',
  })
  const text = response.text()
  running.child.kill('SIGTERM')
  expect(await text).toContain(' and ended')
  expect(await running.exited).toBe(0)
  await slow.close()
})
