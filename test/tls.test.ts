import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-tls-'))
const securePort = await freePort()

let provider: Server
let gateway: TestGateway
/** What clients of the provider asked for by SNI. */
const asked: unknown[] = []
let requests = 0

beforeAll(async () => {
  provider = createServer({ key: readFileSync(file('provider-key.pem')), cert: readFileSync(file('provider.pem')) })
  provider.on('request', (request, response) => {
    requests++
    asked.push((request.socket as TLSSocket).servername)
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"over TLS"},"finish_reason":"stop"}]}',
    )
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const { port } = provider.address() as AddressInfo
  const at = (host: string, tls: { caFile?: string; serverName?: string }) =>
    ({ type: 'openai-compatible', baseUrl: `https://${host}:${port}/v1`, tls }) as const
  present('listener-1')
  gateway = await startGateway({
    listeners: {
      plain: { port: await freePort() },
      secure: {
        port: securePort,
        tls: { certificateFile: join(directory, 'tls.pem'), keyFile: join(directory, 'tls-key.pem') },
      },
    },
    providers: {
      good: at('localhost', { caFile: file('ca.pem') }),
      named: at('127.0.0.1', { caFile: file('ca.pem'), serverName: 'provider.test' }),
      'another-authority': at('localhost', { caFile: file('other-ca.pem') }),
      'system-authorities': at('localhost', {}),
      'another-name': at('localhost', { caFile: file('ca.pem'), serverName: 'another.test' }),
    },
    models: Object.fromEntries(
      ['good', 'named', 'another-authority', 'system-authorities', 'another-name'].map((name) => [
        name,
        { targets: [{ provider: name }] },
      ]),
    ),
  })
})

afterAll(async () => {
  await gateway?.stop()
  provider.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Puts a certificate in place, as a renewal does: a new file is moved over the old one. */
function present(name: string): void {
  for (const [from, to] of [
    [`${name}-key.pem`, 'tls-key.pem'],
    [`${name}.pem`, 'tls.pem'],
  ] as const) {
    cpSync(file(from), join(directory, `${to}.new`))
    renameSync(join(directory, `${to}.new`), join(directory, to))
  }
}

const ask = (model: string) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  })

test.each([
  ['good', 'localhost'],
  ['named', 'provider.test'],
])('%s: Envoy asks the provider for its name and verifies it', async (model, name) => {
  const response = await ask(model)
  expect(response.status).toBe(200)
  expect(await response.text()).toContain('over TLS')
  expect(asked.at(-1)).toBe(name)
})

test.each(['another-authority', 'system-authorities', 'another-name'])(
  '%s: nothing is sent to a provider that cannot prove who it is',
  async (model) => {
    const before = requests
    const response = await ask(model)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ error: { code: 'upstream_unreachable' } })
    expect(requests).toBe(before)
  },
)

/** The names on the certificate that the listener shows. */
function shown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port: securePort, host: '127.0.0.1', servername: 'gateway.test', ca: readFileSync(file('ca.pem')) },
      () => {
        resolve(socket.getPeerCertificate().subjectaltname ?? '')
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })
}

test('a listener terminates TLS, and shows a renewed certificate without a restart', async () => {
  expect(await shown()).not.toContain('second.test')
  present('listener-2')
  await eventually(async () => expect(await shown()).toContain('second.test'))
})
