import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Commands, type Running, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { FakeCluster } from './gateway-api/fake-cluster.ts'
import { backend, gateway, gatewayClass, httpRoute, infra, own, prefix, service } from './gateway-api/manifests.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'

/** The Gateway API of a cluster through `chaperone run` and a real Envoy. The cluster is a small fake of the API server: see there. */

const commands = new Commands()
const port = await freePort()
const telemetry = await freePort()
let cluster: FakeCluster
let v1: EchoServer
let v2: EchoServer
let running: Running

const route = (name: string, host: string, to: string) =>
  httpRoute(name, { hostnames: [host], rules: [{ matches: [prefix('/')], backendRefs: [backend(to)] }] })
const who = async (host: string) => {
  const { status, headers } = await ask(`http://127.0.0.1:${port}`, '/', { host })
  return status === 200 ? headers['x-server'] : status
}
const conditionOf = (kind: string, name: string, type: string) => {
  const { status } = (cluster.get(kind, infra, name) ?? {}) as {
    status?: {
      conditions?: { type: string; status: string; reason: string }[]
      parents?: { conditions: { type: string; status: string; reason: string }[] }[]
    }
  }
  return (status?.conditions ?? status?.parents?.[0]?.conditions)?.find((each) => each.type === type)
}
const statusWrites = (name: string) => cluster.writes.filter(({ path }) => path.endsWith(`/${name}/status`)).length

beforeAll(async () => {
  ;[v1, v2] = await Promise.all([echoServer('v1'), echoServer('v2')])
  cluster = await new FakeCluster().start()
  cluster.missing.add('mcpservers')
  cluster.pageSize = 2
  for (const object of [
    { ...gatewayClass, metadata: { name: 'ours' } },
    gateway('web', [{ name: 'http', port }]),
    ...service('v1', [v1.port]),
    ...service('v2', [v2.port]),
    ...['a', 'b', 'c', 'd', 'e'].map((name) => route(`page-${name}`, `${name}.pages.test`, 'v1')),
    route('first', 'first.test', 'v1'),
    route('wrong', 'wrong.test', 'not-there'),
  ])
    cluster.apply(object)
  writeFileSync(join(commands.directory, 'kubeconfig'), cluster.kubeconfig())
  writeFileSync(join(commands.directory, 'own.yaml'), `telemetry: { port: ${telemetry}, accessLog: false }\n`)
  running = await commands.start(
    ['run', '--file', 'own.yaml', '--gateway-api', '--bind', '127.0.0.1', '--gateway-address', '192.0.2.1'],
    {
      KUBECONFIG: join(commands.directory, 'kubeconfig'),
    },
  )
  await ready(running)
}, 90_000)

afterAll(async () => {
  await commands.end()
  await cluster?.stop()
  await Promise.all([v1, v2].map((server) => server?.close()))
})

test('routes of all pages of a list are served', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) expect(await who(`${name}.pages.test`)).toBe('v1')
})

test('statuses are written, once', async () => {
  await eventually(() => expect(conditionOf('HTTPRoute', 'first', 'Accepted')).toMatchObject({ status: 'True' }))
  await eventually(() =>
    expect(conditionOf('HTTPRoute', 'wrong', 'ResolvedRefs')).toMatchObject({ reason: 'BackendNotFound' }),
  )
  await eventually(() => expect(conditionOf('Gateway', 'web', 'Programmed')).toMatchObject({ status: 'True' }))
  const { status } = cluster.get('Gateway', infra, 'web') as { status?: { addresses?: unknown; listeners?: unknown[] } }
  expect(status).toMatchObject({ addresses: [{ value: '192.0.2.1' }], listeners: [{ attachedRoutes: 7 }] })
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect([statusWrites('first'), statusWrites('web')]).toEqual([1, 1])
})

test('a kind that the cluster does not know is said, and the others are read', async () => {
  expect(running.text()).toMatch(/does not know the kind McpServer \(chaperone.dev\/v1alpha1\): install its CRD/)
  expect(await who('first.test')).toBe('v1')
})

test('changes come by the watch, and end with what they were of', async () => {
  cluster.apply(route('second', 'second.test', 'v2'))
  await eventually(async () => expect(await who('second.test')).toBe('v2'))
  cluster.bookmark()
  cluster.delete('HTTPRoute', infra, 'second')
  await eventually(async () => expect(await who('second.test')).toBe(404))
})

test('what happens while watches are broken is not missed', async () => {
  cluster.cutWatches()
  cluster.apply(route('third', 'third.test', 'v2'))
  await eventually(async () => expect(await who('third.test')).toBe('v2'))
})

test('a version that is too old leads to a new list (410)', async () => {
  await eventually(() => expect(cluster.watching).toBeGreaterThan(15))
  cluster.compact()
  cluster.apply(route('fourth', 'fourth.test', 'v2'))
  await eventually(async () => expect(await who('fourth.test')).toBe('v2'))
  expect(cluster.lists.filter((path) => path.endsWith('/httproutes')).length).toBeGreaterThan(4)
})

test('endpoints follow without a lost request', async () => {
  let failed = 0
  let stop = false
  const load = (async () => {
    while (!stop) if ((await ask(`http://127.0.0.1:${port}`, '/', { host: 'first.test' })).status !== 200) failed++
  })()
  const [, slice] = service('v1', [v2.port])
  cluster.apply(slice!)
  await eventually(async () => expect(await who('first.test')).toBe('v2'))
  stop = true
  await load
  expect(failed).toBe(0)
})

test('a CRD that is installed later is read then', { timeout: 70_000 }, async () => {
  cluster.missing.delete('mcpservers')
  cluster.apply(own('McpServer', 'tools', { type: 'stdio', command: 'sh' }))
  await eventually(() => expect(running.text()).toMatch(/McpServer \(chaperone.dev\/v1alpha1\) are there now/), 60_000)
  // A process of whoever may write objects is none of the gateway's.
  await eventually(() =>
    expect(conditionOf('McpServer', 'tools', 'Accepted')).toMatchObject({ status: 'False', reason: 'Invalid' }),
  )
})
