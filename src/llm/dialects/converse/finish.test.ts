import { expect, test } from 'vitest'
import { readFinish } from './finish.ts'

test.each([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['tool_use', 'tool_calls'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['guardrail_intervened', 'content_filter'],
  ['content_filtered', 'content_filter'],
  ['malformed_tool_use', 'error'],
  ['malformed_model_output', 'error'],
  ['refusal', 'refusal'],
  ['pause_turn', 'pause'],
  ['', 'stop'],
  [undefined, 'stop'],
  [null, 'stop'],
  [7, 'stop'],
  ['something_new', 'error'],
  ['constructor', 'error'],
])('%j is %s', (reason, finish) => {
  expect(readFinish(reason, false)).toBe(finish)
  // A call says more than an ordinary end, and less than any other.
  expect(readFinish(reason, true)).toBe(finish === 'stop' ? 'tool_calls' : finish)
})
