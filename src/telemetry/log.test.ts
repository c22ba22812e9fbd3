import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createLog } from './log.ts'
import { recordOf } from './testing.ts'

/** A log and the lines it has written. */
function logged(
  rule: { logLevel: 'info' | 'warn' | 'debug'; accessLog: boolean } = { logLevel: 'info', accessLog: true },
) {
  const lines: Record<string, unknown>[] = []
  const log = createLog(rule, { write: (line) => lines.push(JSON.parse(line)) })
  return { log, lines }
}

test('a request is one line with its figures', () => {
  const { log, lines } = logged()
  log.access(recordOf({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', drops: ['seed'] }))
  expect(lines).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      requestId: 'req-1',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      operation: 'chat',
      model: 'fast',
      requestModel: 'fast',
      provider: 'openai',
      targetModel: 'gpt-4o-mini',
      responseModel: 'gpt-4o-mini-2024-07-18',
      stream: true,
      status: 200,
      attempts: [
        { provider: 'azure', model: 'gpt', outcome: '503', ms: 20 },
        { provider: 'openai', model: 'gpt-4o-mini', outcome: '200', ms: 980 },
      ],
      durationMs: 1000,
      firstByteMs: 100,
      inputTokens: 1000,
      outputTokens: 91,
      cachedInputTokens: 600,
      reasoningTokens: 40,
      costUsd: 0.25,
      finishReasons: ['stop'],
      drops: ['seed'],
      msg: 'request',
    },
  ])
})

test('every field of the line is in docs/observability.md', () => {
  const { log, lines } = logged()
  log.access(
    recordOf({
      aborted: true,
      errorCode: 'c',
      errorType: 't',
      caller: {
        identity: 'key',
        subject: 'k1',
        user: 'ann',
        team: 'research',
        organization: 'acme',
        key: 'k1',
        listener: 'default',
      },
      downgraded: 'month',
      drops: ['seed'],
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      usage: { input: 1, output: 1, cachedInput: 1, cacheWriteInput: 1, reasoning: 1, estimated: true },
    }),
  )
  const doc = readFileSync('docs/observability.md', 'utf8')
  for (const field of Object.keys(lines[0]!)) expect(doc, field).toContain(`\`${field}\``)
})

test('failures of the provider are warnings, and lines can be switched off', () => {
  const { log, lines } = logged()
  log.access(recordOf({ status: 503 }))
  expect(lines[0]).toMatchObject({ level: 'warn', status: 503 })
  log.apply({ logLevel: 'info', accessLog: false })
  log.access(recordOf())
  log.apply({ logLevel: 'warn', accessLog: true })
  log.access(recordOf())
  expect(lines).toHaveLength(1)
})

test('what clients and providers made up is not written at any length', () => {
  const { log, lines } = logged()
  const long = 'x'.repeat(100_000)
  const attempts = [{ provider: 'openai', model: long, outcome: long, durationMs: 1 }]
  const [requestModel, targetModel, responseModel, errorCode] = [long, long, long, long]
  const lists = { finishReasons: new Array(10_000).fill(long), drops: new Array(10_000).fill(long) }
  log.access(recordOf({ requestModel, targetModel, responseModel, errorCode, attempts, ...lists }))
  expect(JSON.stringify(lines[0]).length).toBeLessThan(25_000)
})

test('a failure has its causes, without credentials', () => {
  const { log, lines } = logged()
  const cause = new Error(
    'GET https://api.example.com/v1?key=AIzaSyD-secret-secret failed with Bearer sk-live-abcdefgh',
  )
  log.failure(new Error('no answer', { cause }), 'req-7')
  const text = JSON.stringify(lines[0])
  expect(lines[0]).toMatchObject({ level: 'error', requestId: 'req-7', error: { type: 'Error', message: 'no answer' } })
  expect(text).toContain('https://api.example.com/v1?key=[redacted]')
  expect(text).not.toMatch(/secret|sk-live/)
})

test('messages of other lines are scrubbed as well', () => {
  const { log, lines } = logged()
  log.error({ envoy: true }, 'refused: Bearer abc.def')
  log.warn('refused: Bearer abc.def')
  expect(lines.map(({ msg }) => msg)).toEqual(['refused: Bearer [redacted]', 'refused: Bearer [redacted]'])
})

test('each address of a host that was tried has its own reason', () => {
  const { log, lines } = logged()
  const refused = Object.assign(new Error('connect ECONNREFUSED ::1:443'), { code: 'ECONNREFUSED' })
  log.failure(new AggregateError([refused], ''), '')
  expect(lines[0]).toMatchObject({
    error: { type: 'AggregateError', causes: [{ code: 'ECONNREFUSED', message: refused.message }] },
  })
  expect(lines[0]).not.toHaveProperty('requestId')
})

test.each([[Object.create(null)], ['text'], [undefined], [null], [Symbol('s')]])(
  'anything may be thrown: %o',
  (thrown) => {
    const { log, lines } = logged()
    log.failure(thrown, 'req-7')
    expect(lines[0]).toMatchObject({ error: { message: expect.any(String) } })
  },
)

test('a long chain of causes, even an endless one, is a short line', () => {
  const { log, lines } = logged()
  const error = new Error('x'.repeat(1_000_000))
  error.cause = error
  log.failure(error, 'req-7')
  expect(JSON.stringify(lines[0]).length).toBeLessThan(50_000)
})
