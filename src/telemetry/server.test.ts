import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTelemetryServer } from './server.ts'

let reason: string | undefined
let server: Awaited<ReturnType<typeof startTelemetryServer>>

beforeEach(async () => {
  reason = undefined
  server = await startTelemetryServer({
    address: '127.0.0.1',
    port: 0,
    metrics: async () => 'chaperone_envoys 1\n',
    ready: () => reason,
  })
})
afterEach(() => server.stop())

const get = (path: string, method = 'GET') => fetch(server.url + path, { method })

test('the metrics are Prometheus text', async () => {
  const response = await get('/metrics')
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(await response.text()).toBe('chaperone_envoys 1\n')
})

test('readiness says why not', async () => {
  expect((await get('/readyz')).status).toBe(200)
  reason = 'Envoy has not taken its configuration yet'
  const response = await get('/readyz?verbose')
  expect(response.status).toBe(503)
  expect(await response.text()).toContain(reason)
  expect((await get('/livez')).status).toBe(200)
})

test.each([
  ['/', 'GET', 404],
  ['/metrics', 'POST', 405],
])('%s by %s is %i', async (path, method, status) => {
  expect((await get(path, method)).status).toBe(status)
})

test('metrics that cannot be read are a 500 without details', async () => {
  const broken = await startTelemetryServer({
    address: '127.0.0.1',
    port: 0,
    metrics: () => Promise.reject(new Error('secret')),
    ready: () => undefined,
  })
  const response = await fetch(`${broken.url}/metrics`)
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('secret')
  await broken.stop()
})

test('HEAD gets the headers alone', async () => {
  const response = await get('/livez', 'HEAD')
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('')
})

test('the end does not wait for idle connections', async () => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  await server.stop()
  await closed
})

test('a taken port is named with what to change', async () => {
  const { port } = new URL(server.url)
  await expect(
    startTelemetryServer({ address: '127.0.0.1', port: Number(port), metrics: async () => '', ready: () => undefined }),
  ).rejects.toThrow(/set telemetry\.port/)
})

test('Envoy’s metrics are passed on, and missing ones said', async () => {
  let stats = () => Promise.resolve('envoy_server_live 1\n')
  const metrics = async () => ''
  const ready = () => undefined
  const server = await startTelemetryServer({
    ...{ address: '127.0.0.1', port: 0, metrics, ready },
    envoyMetrics: () => stats(),
  })
  const ask = () => fetch(`${server.url}/metrics/envoy`)
  expect(await (await ask()).text()).toBe('envoy_server_live 1\n')
  stats = () => Promise.reject(new Error('secret'))
  const without = await ask()
  expect([without.status, await without.text()]).toEqual([503, 'Envoy does not answer\n'])
  await server.stop()
  expect((await get('/metrics/envoy')).status).toBe(404)
})
