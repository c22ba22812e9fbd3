import type { RequestRecord } from './record.ts'

/** A finished request for tests. */
export function recordOf(more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    requestId: 'req-1',
    operation: 'chat',
    model: 'fast',
    requestModel: 'fast',
    provider: 'openai',
    providerType: 'openai',
    targetModel: 'gpt-4o-mini',
    responseModel: 'gpt-4o-mini-2024-07-18',
    stream: true,
    status: 200,
    attempts: [
      { provider: 'azure', model: 'gpt', outcome: '503', durationMs: 20 },
      { provider: 'openai', model: 'gpt-4o-mini', outcome: '200', durationMs: 980 },
    ],
    startMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    durationMs: 1000,
    firstByteMs: 100,
    usage: { input: 1000, output: 91, cachedInput: 600, reasoning: 40 },
    cost: { usd: 0.25 } as RequestRecord['cost'],
    finishReasons: ['stop'],
    aborted: false,
    drops: [],
    traceparent: undefined,
    ...more,
  }
}
