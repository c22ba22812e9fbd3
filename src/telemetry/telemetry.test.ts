import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { TelemetryRule } from '../config/schema.ts'
import { createLog } from './log.ts'
import { Telemetry } from './telemetry.ts'
import { recordOf } from './testing.ts'

const rule: TelemetryRule = { address: '127.0.0.1', port: 0, logLevel: 'info', accessLog: true, sampling: 1 }
let telemetry: Telemetry
let lines: Record<string, unknown>[]

async function started(): Promise<void> {
  lines = []
  const log = createLog(rule, { write: (line) => lines.push(JSON.parse(line)) })
  const upstreams = () => [{ target: 'upstream/openai@1 fast', inFlight: 1, latencyMs: 5, out: false }]
  telemetry = new Telemetry(rule, { upstreams, ready: () => undefined, log })
  await telemetry.start()
}
afterEach(() => telemetry.stop())

test('a finished request is in the metrics and in the log', async () => {
  await started()
  telemetry.finished(recordOf())
  expect(lines).toMatchObject([{ msg: 'request', requestId: 'req-1' }])
  const text = await (await fetch(`${telemetry.url}/metrics`)).text()
  expect(text).toMatch(/^chaperone_requests_total\{.*\} 1$/m)
  expect(text).toContain('chaperone_upstream_in_flight{target="upstream/openai@1 fast"} 1')
})

test('changed rules are obeyed, and what needs a restart is said', async () => {
  await started()
  telemetry.apply({ ...rule, accessLog: false, port: 1, otlpEndpoint: 'http://127.0.0.1:4318' })
  telemetry.finished(recordOf())
  expect(lines.map(({ level, field }) => [level, field])).toEqual([
    ['warn', 'telemetry.port'],
    ['warn', 'telemetry.otlpEndpoint'],
  ])
})

test('a collector that takes nothing is in the log, and does not spoil the end', async () => {
  await started()
  const collector = createServer((_, response) => response.writeHead(400).end())
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const otlpEndpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  const log = createLog(rule, { write: (line) => lines.push(JSON.parse(line)) })
  const tracing = new Telemetry({ ...rule, otlpEndpoint }, { upstreams: () => [], ready: () => undefined, log })
  tracing.finished(recordOf())
  await tracing.stop()
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    ['info', 'request'],
    ['error', 'failure'],
  ])
  expect(lines[1]).toMatchObject({ error: { message: expect.stringContaining('telemetry.otlpEndpoint') } })
  collector.closeAllConnections()
  await new Promise((resolve) => collector.close(resolve))
})
