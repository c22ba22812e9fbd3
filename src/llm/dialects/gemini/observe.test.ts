import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { observe, observedKeys } from './observe.ts'

function observed(...events: JsonObject[]): Observed {
  const seen: Observed = { finishReasons: [] }
  for (const event of events) observe(event, seen)
  return seen
}

function recorded(name: string): JsonObject[] {
  const text = readFileSync(new URL(`testdata/${name}.sse`, import.meta.url), 'utf8')
  const events = text.split('\n\n').filter((event) => observedKeys.some((key) => event.includes(`"${key}"`)))
  return events.map((event) => JSON.parse(event.slice('data: '.length)) as JsonObject)
}

test.each<[string, Observed]>([
  [
    'thoughts-and-text',
    {
      id: 'mAitaLmkHPPlz7IPvtfUqQ4',
      model: 'gemini-3-flash-preview',
      usage: { input: 9, output: 36, reasoning: 27 },
      finishReasons: ['stop'],
    },
  ],
  [
    'parallel-calls',
    {
      id: 'rA9KaZ2eHLzX7M8Pk4',
      model: 'gemini-2.5-flash',
      usage: { input: 120, output: 90, reasoning: 50, cachedInput: 64 },
      finishReasons: ['tool_calls'],
    },
  ],
])('the figures of the recorded stream %s', (name, seen) => {
  expect(observed(...recorded(name))).toEqual(seen)
})

test('one finish reason a candidate, though old models repeat theirs', () => {
  const event = (index: number, finishReason: string) => ({ candidates: [{ index, finishReason }] })
  const seen = observed(event(0, 'STOP'), event(1, 'STOP'), event(0, 'STOP'), event(1, 'MAX_TOKENS'))
  expect(seen.finishReasons).toEqual(['stop', 'length'])
})

test('a blocked prompt and an error', () => {
  expect(observed({ promptFeedback: { blockReason: 'SAFETY' } }).finishReasons).toEqual(['content_filter'])
  expect(observed({ error: { status: 'UNAVAILABLE' } }).error).toBe('UNAVAILABLE')
})

test('never throws and leaves no holes', () => {
  const candidate = fc.record({ index: fc.jsonValue(), finishReason: fc.jsonValue(), content: fc.jsonValue() })
  const event = fc.record({ candidates: fc.array(candidate), error: fc.jsonValue(), usageMetadata: fc.jsonValue() })
  fc.assert(
    fc.property(fc.array(event), (events) => {
      const { finishReasons } = observed(...events)
      expect(finishReasons.every((reason) => typeof reason === 'string')).toBe(true)
    }),
  )
})
