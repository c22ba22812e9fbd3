import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { type EchoServer, echoServer } from './http/echo.ts'
import { pythonWith } from './python.ts'

/** What listeners are beside TCP with HTTP on it: HTTP/3, and TLS that ends at the service. */

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-listeners-'))
const [certificateFile, keyFile] = [join(directory, 'listener.pem'), join(directory, 'listener-key.pem')]
const mock = new LLMock({ port: 0, logLevel: 'silent' })

let echo: EchoServer
let own: Server
let python: string
let gateway: TestGateway
let securePort: number
let throughPort: number

beforeAll(async () => {
  python = pythonWith('h3', ['aioquic==1.7.2'])
  mock.onMessage('hello', { content: 'Hello from the mock.' })
  await mock.start()
  process.env.TEST_OPENAI_KEY = 'sk-test-openai'
  echo = await echoServer('echo')
  own = createServer(
    { key: readFileSync(file('provider-key.pem')), cert: readFileSync(file('provider.pem')) },
    (_, response) => response.end('from the service itself'),
  )
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', () => resolve()))
  copyFileSync(file('listener-1.pem'), certificateFile)
  copyFileSync(file('listener-1-key.pem'), keyFile)
  securePort = await freePort()
  throughPort = await freePort()
  gateway = await startGateway({
    listeners: {
      default: { port: await freePort() },
      secure: { port: securePort, tls: { certificateFile, keyFile }, http3: true, maxRequestBytes: 4096 },
      through: { port: throughPort, serves: ['passthrough'] },
    },
    providers: { openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TEST_OPENAI_KEY}' } },
    models: { 'gpt-*': { targets: [{ provider: 'openai' }] } },
    http: {
      services: {
        echo: { url: echo.url },
        own: { endpoints: [{ address: '127.0.0.1', port: (own.address() as AddressInfo).port }] },
        nowhere: { endpoints: [{ address: '127.0.0.1', port: await freePort() }] },
      },
      routes: [{ name: 'echo', hosts: ['127.0.0.1'], match: { prefix: '/echo' }, service: 'echo' }],
      passthrough: [
        { name: 'own', hosts: ['provider.test', '*.own.test'], service: 'own' },
        { name: 'nowhere', hosts: ['nowhere.test'], service: 'nowhere' },
        {
          name: 'elsewhere',
          listeners: ['through'],
          hosts: ['shares.test'],
          services: [{ service: 'own', weight: 1 }],
        },
      ],
    },
  })
}, 120_000)

afterAll(async () => {
  await gateway?.stop()
  await mock.stop()
  await echo?.close()
  own?.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Answer {
  status: string
  headers: Record<string, string>
  body: string
}

/** Asks by HTTP/3, with a client that is no Envoy. */
async function h3(path: string, ...more: string[]): Promise<Answer> {
  const url = `https://127.0.0.1:${securePort}${path}`
  const { stdout } = await promisify(execFile)(python, ['test/http/h3.py', url, file('ca.pem'), ...more])
  return JSON.parse(stdout)
}

/** What a TLS server shows of itself, and answers. */
function tls(port: number, servername: string, ca = 'ca.pem'): Promise<{ name: string; answer: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      servername,
      ca: readFileSync(file(ca)),
      checkServerIdentity: () => undefined,
    }
    const socket = connect(options, () => {
      const { subject } = socket.getPeerCertificate()
      let answer = ''
      socket.on('data', (data) => {
        answer += data
      })
      socket.on('close', () => resolve({ name: String(subject.CN), answer }))
      socket.write(`GET /echo HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`)
    })
    socket.on('error', reject)
  })
}

describe('HTTP/3', () => {
  test('answers by TCP say that it is there', async () => {
    expect((await tls(securePort, 'gateway.test')).answer).toContain(`alt-svc: h3=":${securePort}"; ma=86400`)
  })

  test('a route of plain HTTP', async () => {
    const answer = await h3('/echo')
    expect(answer).toMatchObject({ status: '200', headers: { 'x-server': 'echo' } })
    expect(JSON.parse(answer.body)).toMatchObject({ path: '/echo', headers: { 'x-forwarded-proto': 'https' } })
  })

  test('AI traffic, with the identity and limits of its listener', async () => {
    const body = JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'hello' }] })
    const answer = await h3('/v1/chat/completions', 'POST', body)
    expect(answer).toMatchObject({ status: '200', headers: { 'x-chaperone-provider': 'openai' } })
    const record = await gateway.recordOf(answer.headers['x-request-id']!)
    expect(record).toMatchObject({ caller: { listener: 'secure' } })
    const long = JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'x'.repeat(8192) }] })
    const refused = await h3('/v1/chat/completions', 'POST', long)
    expect(refused.status).toBe('413')
    expect(JSON.parse(refused.body)).toMatchObject({ error: { code: 'request_too_large' } })
  })
})

describe('TLS that goes through', () => {
  test.each([
    ['provider.test', 'secure', () => securePort],
    ['provider.test', 'through', () => throughPort],
    ['any.own.test', 'through', () => throughPort],
    ['shares.test', 'through', () => throughPort],
  ])('%s on %s: the service’s own certificate', async (name, _, port) => {
    const seen = await tls(port(), name)
    expect(seen.name).toBe('provider.test')
    expect(seen.answer).toContain('from the service itself')
  })

  test.each(['gateway.test', 'shares.test'])('%s: other names end at the listener that has TLS', async (name) => {
    const seen = await tls(securePort, name)
    expect(seen.name).toBe('gateway.test')
    expect(seen.answer).toContain('x-server: echo')
  })

  test.each(['other.test', 'own.test', 'nowhere.test'])('%s: the connection is closed', async (name) => {
    await expect(tls(throughPort, name)).rejects.toThrow()
  })
})

test('a new certificate is taken on both, without a lost connection', async () => {
  const kept = h3('/echo')
  for (const [from, to] of [
    ['listener-2.pem', certificateFile],
    ['listener-2-key.pem', keyFile],
  ] as const) {
    copyFileSync(file(from), `${to}.new`)
    renameSync(`${to}.new`, to)
  }
  expect((await kept).status).toBe('200')
  const serial = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, servername: 'gateway.test', ca: readFileSync(file('ca.pem')) })
      socket.on('secureConnect', () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroy()
      })
      socket.on('error', reject)
    })
  const before = serialOf('listener-1.pem')
  await eventually(async () => expect(await serial(securePort)).not.toBe(before))
  expect((await h3('/echo')).status).toBe('200')
})

function serialOf(name: string): string {
  return new X509Certificate(readFileSync(file(name))).serialNumber
}
