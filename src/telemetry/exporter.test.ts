import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node'
import { expect, test } from 'vitest'
import { ReportingExporter } from './exporter.ts'

test('a collector that fails is reported once, and again when it had worked in between', () => {
  const results = [0, 1, 1, 1, 0, 1]
  const inner: SpanExporter = {
    export(_, done) {
      const code = results.shift()!
      done(code === 0 ? { code } : { code, error: new Error('connect ECONNREFUSED') })
    },
    shutdown: async () => undefined,
  }
  const reported: Error[] = []
  const codes: number[] = []
  const exporter = new ReportingExporter(inner, (error) => reported.push(error))
  const spans: ReadableSpan[] = []
  while (results.length > 0) exporter.export(spans, ({ code }) => codes.push(code))
  expect(codes).toEqual([0, 1, 1, 1, 0, 1])
  expect(reported).toHaveLength(2)
  expect(reported[0]).toMatchObject({ cause: { message: 'connect ECONNREFUSED' } })
})
