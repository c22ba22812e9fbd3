import { expect, test, vi } from 'vitest'
import { Detached } from '../server/position.ts'
import { KeptStream } from './kept-stream.ts'
import type { ReplySink } from './reply-sink.ts'

const eventStream = [['content-type', 'text/event-stream']] as const
const position = { session: { id: 's', version: '2025-11-25' }, eventId: 'e1', requestId: 'r', retryMs: 100 }

function open({ primes = true }: { primes?: boolean } = {}) {
  const written: string[] = []
  const state = { ended: 0, begun: 0, forgotten: 0, held: 0, status: 0 }
  const sink: ReplySink = {
    gone: false,
    room: undefined,
    head: (status) => void Object.assign(state, { status }),
    flush: () => undefined,
    write: (text) => void written.push(text),
    end: (text) => {
      if (text !== undefined) written.push(text)
      state.ended++
    },
  }
  const stream = new KeptStream({
    newId: () => 'id',
    request: 1,
    primes,
    sink,
    seal: ({ number, upstream }) => `${number}${upstream ? `@${upstream.eventId}` : ''}`,
    begun: () => void state.begun++,
    held: (difference) => {
      state.held += difference
    },
    forgotten: () => void state.forgotten++,
  })
  return { stream, written, state }
}

/** One that has begun to stream. */
function streaming(options?: { primes?: boolean }) {
  const opened = open(options)
  opened.stream.head(200, eventStream)
  opened.stream.flush()
  return opened
}

function target() {
  const written: string[] = []
  const state = { ended: false }
  return {
    written,
    state,
    write: (text: string) => void written.push(text),
    end: () => Object.assign(state, { ended: true }),
  }
}

test('an answer that is no stream goes through as it is, and ends with its connection', () => {
  const { stream, written, state } = open()
  stream.head(200, [['content-type', 'application/json']])
  stream.end('{}')
  expect(written).toEqual(['{}'])
  expect(state).toMatchObject({ begun: 0, ended: 1, status: 200 })
  const other = open()
  other.stream.detach()
  expect(other.stream.gone).toBe(true)
  expect(other.stream.signal.reason).toBeInstanceOf(Error)
  expect(other.stream.signal.reason).not.toBeInstanceOf(Detached)
})

test('events get ids, comments do not, and the first event has no data where the client knows such', () => {
  const { stream, written, state } = streaming()
  stream.write(': \n\n')
  stream.write('data: 1\n\n')
  stream.end('data: 2\n\n')
  expect(written).toEqual(['id: 1\ndata: \n\n', ': \n\n', 'id: 2\ndata: 1\n\n', 'id: 3\ndata: 2\n\n'])
  expect(state.begun).toBe(1)
  expect(streaming({ primes: false }).written).toEqual([])
})

test('who comes again gets what it has not seen, and what follows', () => {
  const { stream, written } = streaming()
  stream.write('data: 1\n\n')
  stream.detach()
  expect(stream.gone).toBe(false)
  stream.write('data: 2\n\n')
  expect(written).toHaveLength(2)
  const next = target()
  expect(stream.attach(next, 1)).toBe(true)
  stream.end('data: 3\n\n')
  expect(next.written).toEqual(['id: 2\ndata: 1\n\n', 'id: 3\ndata: 2\n\n', 'id: 4\ndata: 3\n\n'])
  expect(next.state.ended).toBe(true)
  // The end may have been lost on its way.
  const last = target()
  expect(stream.attach(last, 3)).toBe(true)
  expect(last).toMatchObject({ written: ['id: 4\ndata: 3\n\n'], state: { ended: true } })
})

test('a half-open connection gets nothing more when another one has come, and its end changes nothing', () => {
  const { stream, written, state } = streaming()
  const next = target()
  stream.attach(next, 1)
  expect(state.ended).toBe(1)
  stream.detach()
  stream.write('data: 1\n\n')
  expect(written).toHaveLength(1)
  expect(next.written).toEqual(['id: 2\ndata: 1\n\n'])
})

test('what its server can resume is let go, so that any replica can go on with it', () => {
  const { stream, state } = streaming()
  stream.at(position)
  stream.write('data: 1\n\n')
  expect(stream.resumableUpstream).toBe(true)
  stream.detach()
  expect(stream.signal.reason).toBeInstanceOf(Detached)
  expect(state).toMatchObject({ forgotten: 1, held: 0 })
  expect(stream.attach(target(), 1)).toBe(false)
})

test('when the server ends its stream for now, the connection ends, with the server’s retry', () => {
  const { stream, written, state } = open()
  stream.at(position)
  stream.head(200, eventStream)
  stream.flush()
  stream.handOver()
  expect(written).toEqual(['id: 1@e1\nretry: 100\ndata: \n\n'])
  expect(state).toMatchObject({ ended: 1, forgotten: 1 })
})

test('nobody waits for ever, and what is held is bounded', () => {
  vi.useFakeTimers()
  try {
    const { stream, state } = streaming()
    for (let i = 0; i < 2_000; i++) stream.write(`data: ${'x'.repeat(1_000)}\n\n`)
    expect(state.held).toBeLessThanOrEqual(1024 * 1024)
    stream.detach()
    // What was missed is not all there any more.
    expect(stream.attach(target(), 1)).toBe(false)
    vi.advanceTimersByTime(120_001)
    expect(stream.signal.aborted).toBe(true)
    expect(state).toMatchObject({ forgotten: 1, held: 0 })
  } finally {
    vi.useRealTimers()
  }
})

test('one that is dropped goes on for whom it has, and cannot be resumed', () => {
  const { stream, written, state } = streaming()
  stream.write('data: 1\n\n')
  stream.drop()
  expect(state.held).toBe(0)
  stream.write('data: 2\n\n')
  expect(written.at(-1)).toBe('id: 3\ndata: 2\n\n')
  expect(stream.attach(target(), 1)).toBe(false)
  expect(state.held).toBe(0)
  stream.detach()
  expect(stream.signal.aborted).toBe(true)
  const left = streaming()
  left.stream.detach()
  left.stream.drop()
  expect(left.stream.signal.aborted).toBe(true)
})
