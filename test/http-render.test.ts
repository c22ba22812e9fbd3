import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { render } from '../src/cli/render.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'

/** The whole configuration of plain HTTP, routes included, as Envoy reads it from a file. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-http-render-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Listener {
  name: string
  filter_chains: {
    filters: {
      typed_config: { rds?: { route_config_name: string }; route_config?: object; http_filters: { name: string }[] }
    }[]
  }[]
}

interface Rendered {
  cluster: { name: string }[]
  listener: Listener[]
  secret: object[]
  route: { name: string }[]
}

async function rendered(file: string): Promise<Rendered> {
  let written = ''
  expect(await render({ file, socket: join(directory, 'service.sock') }, (text) => (written += text))).toBe(0)
  return JSON.parse(written)
}

test.each(['examples/everything.yaml', 'examples/http.yaml'])('%s: Envoy takes every route', async (file) => {
  const { cluster, listener, secret, route } = await rendered(file)
  let routes = 0
  for (const { filter_chains } of listener)
    for (const { filters } of filter_chains)
      for (const { typed_config } of filters) {
        const { rds } = typed_config
        if (!rds) continue
        delete typed_config.rds
        typed_config.route_config = {
          ...route.find(({ name }) => name === rds.route_config_name)!,
          validate_clusters: false,
        }
        routes++
      }
  expect(routes).toBeGreaterThan(0)
  const socket = join(directory, 'service.sock')
  const { static_resources, ...rest } = bootstrap({ nodeId: 'example', socket, adminSocket: `${socket}.admin` }) as {
    static_resources: { clusters: object[] }
  }
  const ours = cluster.filter(({ name }) => /^(?:service|jwks)\/|^otlp/.test(name))
  const config = join(directory, 'envoy.json')
  writeFileSync(
    config,
    JSON.stringify({
      ...rest,
      static_resources: { clusters: [...static_resources.clusters, ...ours], listeners: listener, secrets: secret },
    }),
  )
  const envoy = await findEnvoy(process.env, () => undefined)
  execFileSync(envoy, ['--mode', 'validate', '--log-level', 'error', '-c', config], { stdio: 'pipe' })
})

test('a listener has the filters its routes ask for, and each is off by default', async () => {
  const { listener } = await rendered('examples/http.yaml')
  const [web] = listener
  const filters = web!.filter_chains[0]!.filters[0]!.typed_config.http_filters
  expect(filters.map(({ name }) => name.replace(/\/[0-9a-f]{12}$/, ''))).toEqual([
    'envoy.filters.http.api_key_auth',
    'jwt',
    'jwt-algorithms',
    'envoy.filters.http.local_ratelimit',
    'envoy.filters.http.buffer',
    'compression/brotli',
    'compression/gzip',
    'envoy.filters.http.grpc_web',
    'envoy.filters.http.router',
  ])
  expect(filters.slice(0, -1)).toEqual(filters.slice(0, -1).map(() => expect.objectContaining({ disabled: true })))
})

test('secrets are not in what is rendered', async () => {
  process.env.ACME_KEY = 'the-secret-of-acme'
  const text = JSON.stringify(await rendered('examples/http.yaml'))
  delete process.env.ACME_KEY
  expect(text).toContain('${env:ACME_KEY}')
  expect(text).not.toContain('the-secret-of-acme')
})
