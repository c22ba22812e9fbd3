import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'

const directory = mkdtempSync(join(tmpdir(), 'chaperone-rotation-'))
const file = join(directory, 'key')
const shown: (string | undefined)[] = []
let provider: Awaited<ReturnType<typeof upstream>>
let gateway: TestGateway

const ask = async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }),
  })
  return { status: response.status, body: await response.json() }
}

beforeAll(async () => {
  writeFileSync(file, 'sk-first\n')
  provider = await upstream((request, response) => {
    shown.push(request.headers.authorization)
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}',
    )
  })
  gateway = await startGateway({
    providers: {
      file: { type: 'openai', baseUrl: `${provider.url}/v1`, apiKey: `\${file:${file}}` },
      none: { type: 'openai', baseUrl: `${provider.url}/v1`, apiKey: '${env:CHAPERONE_TEST_NOT_SET}' },
    },
    models: { m: { targets: [{ provider: 'file' }] }, without: { targets: [{ provider: 'none' }] } },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await provider?.close()
  rmSync(directory, { recursive: true, force: true })
})

test('a credential that is replaced in its file is used without a restart, and the old one no more', async () => {
  expect((await ask()).status).toBe(200)
  expect(shown.at(-1)).toBe('Bearer sk-first')
  writeFileSync(`${file}.next`, 'sk-second\n')
  renameSync(`${file}.next`, file)
  await eventually(async () => {
    await ask()
    expect(shown.at(-1)).toBe('Bearer sk-second')
  }, 3_000)
})

test('a credential that is missing is the operator’s to hear of: the client learns neither value nor variable', async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'without', messages: [{ role: 'user', content: 'hello' }] }),
  })
  expect(response.status).toBe(502)
  const text = await response.text()
  expect(JSON.parse(text)).toMatchObject({ error: { code: 'provider_credentials' } })
  expect(text).not.toContain('CHAPERONE_TEST_NOT_SET')
  expect(gateway.reports.map(({ error }) => String(error)).join('\n')).toContain('CHAPERONE_TEST_NOT_SET')
})
