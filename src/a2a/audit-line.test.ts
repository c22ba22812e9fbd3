import { expect, test } from 'vitest'
import { auditLine } from './audit-line.ts'

const caller = { identity: 'key', subject: 'k1', user: 'ann', listener: 'default' }
const record = {
  requestId: 'r',
  status: 200,
  agent: 'planner',
  operation: 'sendMessage',
  binding: 'jsonrpc',
  version: '1.0',
  via: { binding: 'http+json', version: '0.3' },
  caller,
  depth: 1,
  from: 'billing',
  aborted: false,
  startMs: 0,
  durationMs: 12.6,
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
} as const

test('a call’s line says who asked whom, how, and in which trace', () => {
  expect(auditLine(record)).toEqual({
    requestId: 'r',
    agent: 'planner',
    operation: 'sendMessage',
    binding: 'jsonrpc',
    version: '1.0',
    via: 'http+json 0.3',
    caller,
    depth: 1,
    from: 'billing',
    durationMs: 13,
    traceId: 'a'.repeat(32),
  })
})

test('where nobody says who they are, nothing is said of them', () => {
  expect(auditLine({ ...record, caller: { ...caller, identity: 'anonymous' }, aborted: true })).toMatchObject({
    caller: undefined,
    aborted: true,
  })
})
