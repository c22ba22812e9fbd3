import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findEnvoy } from '../src/envoy/binary.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask } from './http/echo.ts'

/** TLS towards services of plain HTTP: whom Envoy believes, what it shows, and HTTP/2 and HTTP/3 on it. */

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const own = { key: readFileSync(file('provider-key.pem')), cert: readFileSync(file('provider.pem')) }
const directory = mkdtempSync(join(tmpdir(), 'chaperone-h3-'))

let mutual: Server
let both: ReturnType<typeof createSecureServer>
let quic: ChildProcess
let gateway: TestGateway

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port

beforeAll(async () => {
  mutual = createServer(
    { ...own, ca: readFileSync(file('client-ca.pem')), requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      const { subjectaltname } = (request.socket as TLSSocket).getPeerCertificate()
      response.end(JSON.stringify({ client: subjectaltname, sni: (request.socket as TLSSocket).servername }))
    },
  )
  both = createSecureServer({ ...own, allowHTTP1: true }, (request, response) => {
    response.end(JSON.stringify({ version: request.httpVersion }))
  })
  await Promise.all(
    [mutual, both].map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))),
  )
  const quicPort = await freePort()
  quic = await quicServer(quicPort)
  const at = (port: number) => `https://localhost:${port}`
  const ca = { caFile: file('ca.pem') }
  const certificate = { certificateFile: file('client.pem'), keyFile: file('client-key.pem') }
  const services = {
    shown: { url: at(portOf(mutual)), tls: { ...ca, ...certificate } },
    'not-shown': { url: at(portOf(mutual)), tls: ca },
    'another-authority': { url: at(portOf(mutual)), tls: { caFile: file('other-ca.pem'), ...certificate } },
    'another-name': { url: at(portOf(mutual)), tls: { ...ca, ...certificate, serverName: 'another.test' } },
    named: {
      endpoints: [{ address: '127.0.0.1', port: portOf(mutual) }],
      tls: { ...ca, ...certificate, serverName: 'provider.test' },
    },
    auto: { url: at(portOf(both)), tls: ca },
    h1: { url: at(portOf(both)), tls: ca, protocol: 'h1' as const },
    h2: { url: at(portOf(both)), tls: ca, protocol: 'h2' as const },
    h3: { url: at(quicPort), tls: ca, protocol: 'h3' as const },
  }
  gateway = await startGateway({
    http: {
      services,
      routes: Object.keys(services).map((name) => ({
        name,
        match: { path: `/${name}` },
        service: name,
        // So that a protocol error shows as one.
        timeout: '10s',
      })),
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  quic?.kill('SIGKILL')
  mutual?.close()
  both?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** A server of HTTP/3, which Node is not: another Envoy. */
async function quicServer(port: number): Promise<ChildProcess> {
  const config = join(directory, 'h3.json')
  const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` })
  writeFileSync(
    config,
    JSON.stringify({
      static_resources: {
        listeners: [
          {
            name: 'h3',
            address: { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: port } },
            udp_listener_config: { quic_options: {}, downstream_socket_config: { prefer_gro: false } },
            filter_chains: [
              {
                transport_socket: {
                  name: 'envoy.transport_sockets.quic',
                  typed_config: {
                    ...type('transport_sockets.quic.v3.QuicDownstreamTransport'),
                    downstream_tls_context: {
                      common_tls_context: {
                        tls_certificates: [
                          {
                            certificate_chain: { filename: file('provider.pem') },
                            private_key: { filename: file('provider-key.pem') },
                          },
                        ],
                      },
                    },
                  },
                },
                filters: [
                  {
                    name: 'envoy.filters.network.http_connection_manager',
                    typed_config: {
                      ...type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
                      codec_type: 'HTTP3',
                      stat_prefix: 'h3',
                      http3_protocol_options: {},
                      route_config: {
                        virtual_hosts: [
                          {
                            name: 'all',
                            domains: ['*'],
                            routes: [
                              {
                                match: { prefix: '/' },
                                direct_response: { status: 200, body: { inline_string: '{"version":"3"}' } },
                              },
                            ],
                          },
                        ],
                      },
                      http_filters: [
                        {
                          name: 'envoy.filters.http.router',
                          typed_config: type('filters.http.router.v3.Router'),
                        },
                      ],
                    },
                  },
                ],
              },
            ],
          },
        ],
      },
    }),
  )
  const binary = await findEnvoy(process.env, () => undefined)
  return spawn(binary, ['-c', config, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error'], {
    stdio: 'inherit',
  })
}

test.each([
  ['shown', 'localhost'],
  ['named', 'provider.test'],
])('%s: the client certificate is shown, and the server believed by its name', async (name, sni) => {
  const answer = await ask(gateway.url, `/${name}`)
  expect(answer.status).toBe(200)
  expect(answer.json()).toEqual({ client: 'URI:spiffe://corp/ns/agents/sa/client', sni })
})

test.each(['not-shown', 'another-authority', 'another-name'])('%s: 503', async (name) => {
  const answer = await ask(gateway.url, `/${name}`)
  expect(answer.status).toBe(503)
  expect(answer.json()).toMatchObject({ error: { status: 503, rule: `http/${name}` } })
})

test.each([
  ['auto', '2.0'],
  ['h1', '1.1'],
  ['h2', '2.0'],
])('%s speaks HTTP/%s', async (name, version) => {
  expect((await ask(gateway.url, `/${name}`)).json()).toEqual({ version })
})

test('h3 speaks HTTP/3', async () => {
  const answer = await eventually(async () => {
    const answered = await ask(gateway.url, '/h3')
    expect(answered.status).toBe(200)
    return answered
  })
  expect(answer.json()).toEqual({ version: '3' })
})
