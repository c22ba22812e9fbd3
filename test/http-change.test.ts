import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'

/** Rules of plain HTTP change while requests come: none is lost, and what is new holds. */

let a: EchoServer
let b: EchoServer
let gateway: TestGateway
const port = await freePort()

type HttpInput = NonNullable<RulesInput['http']>
type RouteInput = NonNullable<HttpInput['routes']>[number]

const rulesOf = (http: HttpInput) => ({ listeners: { default: { port } }, http })

beforeAll(async () => {
  a = await echoServer('a')
  b = await echoServer('b')
  gateway = await startGateway(
    rulesOf({ services: { a: { url: a.url } }, routes: [{ name: 'all', match: { prefix: '/' }, service: 'a' }] }),
  )
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([a?.close(), b?.close()])
})

async function put(http: HttpInput): Promise<void> {
  expect(await gateway.gateway.apply(rulesSchema.parse(rulesOf(http)))).toMatchObject({ type: 'applied', nodes: 1 })
}

/** Asks again and again on kept connections until it is told to stop. */
function load(agent: Agent): { stop(): Promise<{ answers: number; failures: unknown[] }> } {
  let on = true
  let answers = 0
  const failures: unknown[] = []
  const one = () =>
    new Promise<void>((resolve) => {
      const call = request(gateway.url, { agent, method: 'POST', path: '/shop' }, (response) => {
        response.resume()
        response.on('end', () => {
          if (response.statusCode === 200) answers++
          else failures.push(response.statusCode)
          resolve()
        })
        response.on('error', (error) => {
          failures.push(error)
          resolve()
        })
      })
      call.on('error', (error) => {
        failures.push(error)
        resolve()
      })
      call.end('x')
    })
  const worker = async () => {
    while (on) await one()
  }
  const workers = Promise.all(Array.from({ length: 8 }, worker))
  return {
    async stop() {
      on = false
      await workers
      return { answers, failures }
    },
  }
}

test('routes, services and filters change under load without a lost request', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const running = load(agent)
  const services: HttpInput['services'] = { a: { url: a.url } }
  const all: RouteInput = { name: 'all', match: { prefix: '/' }, service: 'a' }
  const steps: HttpInput[] = [
    // Another service.
    { services: { ...services, b: { url: b.url } }, routes: [{ ...all, service: 'b' }] },
    // The first one is gone.
    { services: { b: { url: b.url } }, routes: [{ ...all, service: 'b' }] },
    // The same name, another address.
    { services: { b: { url: a.url } }, routes: [{ ...all, service: 'b' }] },
    // Filters that the listener did not have.
    { services, routes: [{ ...all, cors: { origins: ['*'] }, compression: {}, rateLimit: { requests: 1_000_000 } }] },
    // More routes and hosts.
    {
      services,
      routes: [
        { name: 'host', hosts: ['shop.test'], match: { prefix: '/' }, redirect: { host: 'other.test' } },
        { name: 'shop', match: { path: '/shop' }, service: 'a', retry: {} },
        all,
      ],
    },
    { services, routes: [all] },
  ]
  for (const step of steps) {
    await put(step)
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  const { answers, failures } = await running.stop()
  agent.destroy()
  expect(failures).toEqual([])
  expect(answers).toBeGreaterThan(100)
  expect(b.seen.length).toBeGreaterThan(0)
}, 60_000)

test('a route that now asks for a key is closed, on kept connections after one more answer', async () => {
  process.env.TEST_HTTP_CHANGE_KEY = 'the-key'
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const kept = () =>
    new Promise<number>((resolve, reject) => {
      const call = request(gateway.url, { agent, path: '/closed' }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
      })
      call.on('error', reject)
      call.end()
    })
  const services: HttpInput['services'] = { a: { url: a.url } }
  await put({ services, routes: [{ name: 'all', match: { prefix: '/' }, service: 'a' }] })
  expect(await kept()).toBe(200)
  const route: RouteInput = {
    name: 'all',
    match: { prefix: '/' },
    service: 'a',
    apiKey: { keys: { one: '${env:TEST_HTTP_CHANGE_KEY}' } },
  }
  await put({ services, routes: [route] })
  await eventually(async () => expect((await ask(gateway.url, '/closed')).status).toBe(401))
  // Nor does the end of what is old take it from those who still have it.
  await gateway.gateway.discovery.retire()
  expect(await kept()).toBe(200)
  expect(await kept()).toBe(401)
  expect(gateway.reports).toEqual([])
  // The filter is there already: what changes on the route holds at once.
  const { apiKey: _, ...open } = route
  await put({ services, routes: [open, { ...route, name: 'other', hosts: ['other.test'] }].reverse() })
  await eventually(async () => expect(await kept()).toBe(200))
  agent.destroy()
})

test.each<[string, Partial<RouteInput>, string]>([
  ['in a filter that is new', { basicAuth: { usersFile: '/nonexistent/users' } }, '/nonexistent/users'],
  ['in a route', { requestHeaders: { set: { 'x-one': '%NOTHING%' } } }, 'NOTHING'],
  ['in a service', { service: 'bad' }, 'Interval'],
  ['in a service once more', { service: 'bad' }, 'Interval'],
])('what Envoy refuses changes nothing, and no request is lost: %s', async (_, part, words) => {
  const services: HttpInput['services'] = { a: { url: a.url } }
  const all: RouteInput = { name: 'all', match: { prefix: '/' }, service: 'a' }
  await put({ services, routes: [all] })
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const running = load(agent)
  const bad = { url: b.url, health: { interval: '0s' } }
  const outcome = await gateway.gateway.apply(
    rulesSchema.parse(
      rulesOf({ services: part.service === 'bad' ? { ...services, bad } : services, routes: [{ ...all, ...part }] }),
    ),
  )
  await new Promise((resolve) => setTimeout(resolve, 300))
  const { answers, failures } = await running.stop()
  agent.destroy()
  expect(failures).toEqual([])
  expect(answers).toBeGreaterThan(50)
  expect(outcome).toMatchObject({ type: 'rejected' })
  expect(JSON.stringify(outcome)).toContain(words)
})
