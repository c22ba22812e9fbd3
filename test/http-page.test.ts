import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { RulesInput } from '../src/config/schema.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'

/** The configuration of docs/http.md does what the page says of it. */

const example = readFileSync('examples/http.yaml', 'utf8')
let shop: EchoServer
let next: EchoServer
let gateway: TestGateway
let url: string

beforeAll(async () => {
  shop = await echoServer('shop')
  next = await echoServer('next')
  process.env.ACME_KEY = 'the-key-of-acme'
  const rules = parse(example) as RulesInput
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  // The page's rules as they are, but for where things live.
  rules.listeners = {
    default: { port: await freePort() },
    web: { ...rules.listeners!.web, address: '127.0.0.1', port },
  }
  const { services } = rules.http!
  services!.shop!.endpoints = [{ address: '127.0.0.1', port: shop.port }]
  services!['shop-next']!.url = next.url
  services!.orders!.url = shop.url
  rules.identities!.issuers!.login!.jwksUri = `${shop.url}/jwks.json`
  gateway = await startGateway(rules)
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([shop?.close(), next?.close()])
  delete process.env.ACME_KEY
})

test('the page shows the example', () => {
  expect(readFileSync('docs/http.md', 'utf8')).toContain(`\`\`\`yaml\n${example}\`\`\``)
})

test('it answers, redirects, splits and rewrites', async () => {
  expect(await ask(url, '/up')).toMatchObject({ status: 200, text: 'yes\n' })
  expect(await ask(url, '/store/a', { host: 'shop.test' })).toMatchObject({
    status: 301,
    headers: { location: 'http://shop.test/shop/a' },
  })
  expect((await ask(url, '/shop', { headers: { 'x-tester': 'me' } })).json().server).toBe('next')
  const servers = await Promise.all(Array.from({ length: 200 }, async () => (await ask(url, '/shop')).json().server))
  expect(new Set(servers)).toEqual(new Set(['shop', 'next']))
})

test('it asks for tokens and keys', async () => {
  for (const method of ['GET', 'POST']) expect((await ask(url, '/shop/cart', { method })).status).toBe(401)
  const partner = (key: string) =>
    ask(url, '/v1/items/7', { host: 'partners.example.com', headers: { 'x-api-key': key } })
  expect((await partner('another')).status).toBe(401)
  const answer = await partner('the-key-of-acme')
  expect(answer.json()).toMatchObject({ path: '/items/7', headers: { 'x-client': 'acme' } })
})

test('what no route takes is 404', async () => {
  expect((await ask(url, '/v1/models')).status).toBe(404)
  expect((await ask(url, '/shop', { method: 'DELETE' })).status).toBe(404)
})
