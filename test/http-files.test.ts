import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { clustersPath, UnresolvedWatch } from '../src/envoy/unresolved.ts'
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

test('a name that resolves to nothing is told, by its path in the rules, and everything else goes on', async () => {
  const input = rules({})
  input.http!.services!.gone = { url: 'http://nowhere.invalid' }
  input.http!.routes!.push({ name: 'gone', hosts: ['gone.test'], service: 'gone' })
  expect(await apply(input)).toMatchObject({ type: 'applied' })
  const told: [string, boolean][] = []
  const watch = new UnresolvedWatch(
    async () => (await gateway.envoy.admin(clustersPath)).body,
    (path, resolved) => told.push([path, resolved]),
  )
  await eventually(async () => {
    await watch.look()
    expect(told).toEqual([['http.services.gone', false]])
  })
  const answer = await ask(gateway.url, '/', { host: 'gone.test' })
  expect(answer.status).toBe(503)
  expect(answer.json<unknown>()).toMatchObject({ error: { message: 'no healthy upstream', rule: 'http/gone' } })
  await answers()
  input.http!.services!.gone = { url: shop.url }
  expect(await apply(input)).toMatchObject({ type: 'applied' })
  await eventually(async () => {
    await watch.look()
    expect(told.at(-1)).toEqual(['http.services.gone', true])
  })
})

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
  const [first, second] = ['test/tls/listener-1-key.pem', 'test/tls/listener-2-key.pem']
  const certificate = 'test/tls/listener-1.pem'
  const wrong: [{ certificateFile: string; keyFile: string }, string][] = [
    [
      { certificateFile: nothing, keyFile: first },
      `listeners.secure.tls.certificateFile: the file ${nothing} holds no certificate in PEM`,
    ],
    [
      { certificateFile: certificate, keyFile: nothing },
      `listeners.secure.tls.keyFile: the file ${nothing} holds no private key in PEM`,
    ],
    [
      { certificateFile: certificate, keyFile: second },
      `listeners.secure.tls.keyFile: the key in ${second} is not the one of the certificate in ${certificate}`,
    ],
  ]
  for (const [pair, message] of wrong) {
    await expect(apply(rules({}, pair))).rejects.toThrow(message)
    await answers()
  }
  const service = { url: 'https://localhost:1', tls: { certificateFile: certificate, keyFile: second } }
  await expect(apply(rules(service))).rejects.toThrow('http.services.shop.tls.keyFile: ')
  const good = { certificateFile: 'test/tls/listener-1.pem', keyFile: 'test/tls/listener-1-key.pem' }
  expect(await apply(rules({}, good))).toMatchObject({ type: 'applied', silent: [] })
  await eventually(answers)
})
