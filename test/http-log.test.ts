import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Commands, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

/** Native requests, which the service never sees, are in the log all the same. */
let commands: Commands

beforeEach(() => {
  commands = new Commands()
})
afterEach(() => commands.end())

test('a native request is a line with the route, the service and the status, and nothing of what was asked', async () => {
  const shop = await upstream((request, response) => {
    request.resume()
    response.writeHead(request.url!.includes('missing') ? 404 : 200).end('ok')
  })
  const port = await freePort()
  const file = join(commands.directory, 'chaperone.yaml')
  const telemetry = await freePort()
  writeFileSync(
    file,
    JSON.stringify({
      listeners: { default: { port } },
      telemetry: { port: telemetry },
      http: {
        services: { shop: { endpoints: [{ address: '127.0.0.1', port: Number(new URL(shop.url).port) }] } },
        routes: [{ name: 'all', match: { prefix: '/' }, service: 'shop' }],
      },
    }),
  )
  const running = await commands.start(['run', '--file', file])
  await ready(running)
  const url = `http://127.0.0.1:${port}/missing?token=secret-1`
  await fetch(url, { headers: { authorization: 'Bearer secret-2', 'x-request-id': 'of-the-client' } })
  const line = await eventually(() => {
    const found = running
      .text()
      .split('\n')
      .find((each) => each.includes('"operation":"http/all'))
    if (found === undefined) throw new Error('no line yet')
    return JSON.parse(found) as object
  })
  expect(line).toMatchObject({
    msg: 'request',
    listener: 'default',
    method: 'GET',
    path: '/missing',
    status: 404,
    durationMs: expect.any(Number),
    requestId: expect.any(String),
  })
  expect(running.text()).not.toContain('secret-')
  running.child.kill('SIGTERM')
  expect(await running.exited).toBe(0)
  await shop.close()
})
