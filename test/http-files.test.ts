import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'

/** Changed services, and files that rules name and that are not there: what Envoy does not take is refused with its path. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-files-'))
const missing = join(directory, 'missing.pem')
let shop: EchoServer
let gateway: TestGateway
let port: number

beforeAll(async () => {
  shop = await echoServer('shop')
  port = await freePort()
  gateway = await startGateway(rules({}))
})

afterAll(async () => {
  await gateway?.stop()
  await shop?.close()
  rmSync(directory, { recursive: true, force: true })
})

type ServiceInput = NonNullable<NonNullable<RulesInput['http']>['services']>[string]

/** Rules with a service at an IP address, and what else is said of it. */
function rules(service: Partial<ServiceInput>, tls?: { certificateFile: string; keyFile: string }): RulesInput {
  return {
    listeners: {
      default: { port },
      ...(tls && { secure: { port: port + 1, tls, serves: ['http'] } }),
    },
    http: {
      services: { shop: { url: shop.url, ...service } },
      routes: [{ name: 'shop', hosts: ['shop.test'], service: 'shop' }],
    },
  }
}

const apply = (input: RulesInput) => gateway.gateway.apply(rulesSchema.parse(input))
const answers = async () => expect((await ask(gateway.url, '/', { host: 'shop.test' })).status).toBe(200)

test('what changes of a service at an IP address is taken at once', async () => {
  const changes = [{ connectTimeout: '3s' }, { breaker: { connections: 7 } }, {}]
  for (const change of changes) {
    expect(await apply(rules(change))).toMatchObject({ type: 'applied', nodes: 1, silent: [] })
    await answers()
  }
  const { body } = await gateway.envoy.admin('/config_dump?resource=dynamic_warming_clusters')
  expect(JSON.parse(body)).toEqual({})
})

test.each<[string, () => RulesInput]>([
  ['authorities of a service', () => rules({ url: 'https://127.0.0.1:1', tls: { caFile: missing } })],
  ['authorities of a service with a name', () => rules({ url: 'https://localhost:1', tls: { caFile: missing } })],
  [
    'a certificate for a service',
    () => rules({ url: 'https://127.0.0.1:1', tls: { certificateFile: missing, keyFile: missing } }),
  ],
])('a file that is not there is refused with its path, every time: %s', async (_, wrong) => {
  for (let time = 0; time < 2; time++) {
    const outcome = await apply(wrong())
    expect(outcome).toMatchObject({ type: 'rejected', rejections: [{ message: expect.stringContaining(missing) }] })
    await answers()
  }
  expect(await apply(rules({}))).toMatchObject({ type: 'applied', silent: [] })
  await answers()
})

test('so is a listener’s certificate that is not there', async () => {
  const outcome = await apply(rules({}, { certificateFile: missing, keyFile: missing }))
  expect(outcome).toMatchObject({ type: 'rejected', rejections: [{ message: expect.stringContaining(missing) }] })
  await answers()
})

test('a file that holds no certificate, and a key of another one, are refused', async () => {
  const nothing = join(directory, 'nothing.pem')
  writeFileSync(nothing, 'this is no certificate')
  const pairs = [
    { certificateFile: nothing, keyFile: 'test/tls/listener-1-key.pem' },
    { certificateFile: 'test/tls/listener-1.pem', keyFile: 'test/tls/listener-2-key.pem' },
  ]
  for (const pair of pairs) {
    expect(await apply(rules({}, pair))).toMatchObject({ type: 'rejected' })
    await answers()
  }
  const good = { certificateFile: 'test/tls/listener-1.pem', keyFile: 'test/tls/listener-1-key.pem' }
  expect(await apply(rules({}, good))).toMatchObject({ type: 'applied', silent: [] })
  await eventually(answers)
})
