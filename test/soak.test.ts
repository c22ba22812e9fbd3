import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import type { Done, Go } from './soak/load.ts'

let load: ChildProcess
let gateway: TestGateway

beforeAll(async () => {
  load = fork(new URL('./soak/load.ts', import.meta.url), { execArgv: ['--import', 'tsx'] })
  const [{ port }] = (await once(load, 'message')) as [{ port: number }]
  gateway = await startGateway({
    providers: { mock: { type: 'openai-compatible', baseUrl: `http://127.0.0.1:${port}/v1` } },
    models: { soak: { targets: [{ provider: 'mock' }] } },
  })
})

afterAll(async () => {
  load.kill()
  await gateway?.stop()
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Live bytes of the service, which shares this process with the test. */
function heapMiB(): number {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed / 2 ** 20
}

async function send(count: number): Promise<Done> {
  const go: Go = { port: Number(new URL(gateway.url).port), count, connections: 32 }
  load.send(go)
  const [done] = (await once(load, 'message')) as [Done]
  return done
}

test('100,000 requests, a third of them aborted, leave nothing behind', { timeout: 600_000 }, async () => {
  await send(10_000)
  await settled()
  gateway.records.length = 0
  const heapBefore = heapMiB()
  const envoyBefore = await envoyMiB()

  let aborted = 0
  let seen = 0
  for (let round = 0; round < 9; round++) {
    const done = await send(10_000)
    expect(done.wrong).toEqual({})
    expect(done.answered).toBeGreaterThan(6_600)
    expect(done.left).toBeGreaterThan(3_300)
    await settled()
    seen += gateway.records.length
    aborted += gateway.records.filter((record) => record.aborted).length
    gateway.records.length = 0
  }
  // Each request that got a plan is recorded once; those that left while they were still sending never got one.
  expect(seen).toBeGreaterThan(75_000)
  expect(aborted).toBeGreaterThan(10_000)

  expect(heapMiB() - heapBefore).toBeLessThan(8)
  expect((await envoyMiB()) - envoyBefore).toBeLessThan(16)
})

/** Every plan is settled and no target thinks it is still asked. */
async function settled(): Promise<void> {
  await eventually(() => expect(gateway.gateway.plans.size).toBe(0))
  for (const [, { inFlight }] of gateway.gateway.health.entries()) expect(inFlight).toBe(0)
}

async function envoyMiB(): Promise<number> {
  const { body } = await gateway.envoy.admin('/memory')
  return Number((JSON.parse(body) as { allocated: string }).allocated) / 2 ** 20
}
