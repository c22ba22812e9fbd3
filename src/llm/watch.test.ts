import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Observed } from './dialect.ts'
import { observedDialects } from './dialects/index.ts'
import { StreamWatcher } from './watch.ts'

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))

/** What a client gets of a stream that comes in these pieces, and what was seen of it. */
function watched(pieces: readonly Uint8Array[], hideUsage: boolean): { sent: Buffer; seen: Observed } {
  const watcher = new StreamWatcher(observedDialects.chat, { finishReasons: [] }, hideUsage)
  const sent = pieces.map((piece, i) => watcher.push(piece, i === pieces.length - 1) ?? piece)
  return { sent: Buffer.concat(sent), seen: watcher.seen }
}

function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i]!, end))
}

const json = (value: object) => JSON.stringify(value)
const text = (content: string) =>
  json({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content } }], usage: null })
const finish = json({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null })
const figures = { prompt_tokens: 3, completion_tokens: 4 }
const usage = json({ choices: [], usage: figures })
/** Some servers put the figures on an event that says something as well. */
const both = json({ choices: [{ index: 0, delta: { content: 'x' } }], usage: figures })

const event = fc.oneof(
  fc.string({ unit: 'binary' }).map((content) => `data: ${text(content)}`),
  fc.constantFrom(
    ': comment',
    'data: [DONE]',
    'event: x\ndata: {}',
    `data: ${finish}`,
    `data: ${both}`,
    'data: {"usage":',
    'data: 5',
  ),
  fc.constant(`data: ${text('"usage":{"prompt_tokens":9}')}`),
)
const ending = fc.constantFrom('\n\n', '\r\n\r\n', '\n\r\n')
const stream = fc.array(fc.tuple(event, ending), { maxLength: 8 })
const cuts = fc.array(fc.nat(), { maxLength: 8 })
const joined = (events: readonly (readonly [string, string])[]) => events.map(([line, end]) => line + end).join('')

describe('a stream that passes through', () => {
  test('is not touched, however it is cut', () => {
    fc.assert(
      fc.property(stream, cuts, fc.boolean(), (events, places, tail) => {
        const whole = bytesOf(joined([...events, [`data: ${usage}`, '\n\n']]) + (tail ? 'data: {"cut' : ''))
        const { sent, seen } = watched(cutAt(whole, places), false)
        expect(sent.equals(whole)).toBe(true)
        expect(seen.usage).toEqual({ input: 3, output: 4 })
      }),
    )
  })

  test('loses the event that only holds the usage we asked for, and no other byte', () => {
    fc.assert(
      fc.property(stream, stream, ending, cuts, (before, after, end, places) => {
        const pieces = cutAt(bytesOf(joined([...before, [`data: ${usage}`, end], ...after])), places)
        const { sent, seen } = watched(pieces, true)
        expect(sent.toString()).toBe(Buffer.from(joined([...before, ...after])).toString())
        expect(seen.usage).toEqual({ input: 3, output: 4 })
      }),
      { numRuns: 300 },
    )
  })

  test('loses it byte by byte too, and where the blank line after it is missing', () => {
    const whole = `data: ${text('é😀')}\r\n\r\ndata: ${usage}\r\n\r\ndata: [DONE]\n\ndata: ${usage}`
    const { sent } = watched(
      [...bytesOf(whole)].map((byte) => Uint8Array.of(byte)),
      true,
    )
    expect(sent.toString()).toBe(`data: ${text('é😀')}\r\n\r\ndata: [DONE]\n\n`)
  })

  test('keeps what says something beside the usage', () => {
    const whole = `data: ${both}\n\n`
    const { sent, seen } = watched([bytesOf(whole)], true)
    expect(sent.toString()).toBe(whole)
    expect(seen.usage).toEqual({ input: 3, output: 4 })
  })

  test('goes on at once, event by event', () => {
    const watcher = new StreamWatcher(observedDialects.chat, { finishReasons: [] }, true)
    const piece = bytesOf(`data: ${text('a')}\n\n`)
    expect(watcher.push(piece, false)).toBeUndefined()
    expect(Buffer.from(watcher.push(bytesOf('data: 1\n\ndata: '), false)!).toString()).toBe('data: 1\n\n')
    expect(watcher.push(bytesOf('2\n'), false)).toHaveLength(0)
    expect(Buffer.from(watcher.push(bytesOf('\n'), false)!).toString()).toBe('data: 2\n\n')
    expect(watcher.push(new Uint8Array(0), true)).toBeUndefined()
  })

  test.each(['\n\n', '\n\r\n', '\r\n\r\n'])('goes on with its blank line (%j), byte by byte', (end) => {
    const watcher = new StreamWatcher(observedDialects.chat, { finishReasons: [] }, true)
    const sent = [...bytesOf(`data: 1${end}`)].map((byte) => watcher.push(Uint8Array.of(byte), false))
    expect(Buffer.from(sent.pop()!).toString()).toBe(`data: 1${end}`)
    expect(sent.every((piece) => piece?.length === 0)).toBe(true)
  })

  test('words of the model that look like figures are none', () => {
    const { seen } = watched([bytesOf(`data: ${text('"usage":{"prompt_tokens":9}')}\n\n`)], false)
    expect(seen.usage).toBeUndefined()
  })
})

describe('an event that does not end', () => {
  const mega = new Uint8Array(1024 * 1024).fill(0x61)

  test('is held up to four MiB, then goes on, and what comes after its end is seen again', () => {
    for (const hide of [false, true]) {
      const pieces = [
        bytesOf('data: '),
        mega,
        mega,
        mega,
        mega,
        mega,
        bytesOf(`\n\ndata: ${usage}\n\n`),
        bytesOf('data: [DONE]\n\n'),
      ]
      const { sent, seen } = watched(pieces, hide)
      expect(sent.length).toBe(6 + 5 * mega.length + 2 + 14 + (hide ? 0 : usage.length + 8))
      expect(seen.usage).toEqual({ input: 3, output: 4 })
    }
  })

  test('goes on while it is still under way', () => {
    const watcher = new StreamWatcher(observedDialects.chat, { finishReasons: [] }, true)
    const sent = Array.from({ length: 5 }, () => watcher.push(mega, false)!.length)
    expect(sent).toEqual([0, 0, 0, 0, 5 * mega.length])
  })

  test('does not take usage that is to be hidden along', () => {
    const long = Buffer.concat([bytesOf(`data: ${usage}\n\ndata: `), ...Array<Uint8Array>(5).fill(mega)])
    const { sent } = watched([long, bytesOf('\n\n')], true)
    expect(sent.length).toBe(long.length + 2 - usage.length - 8)
  })

  test('costs time by its length, however small its pieces', () => {
    const watcher = new StreamWatcher(observedDialects.chat, { finishReasons: [] }, true)
    const small = new Uint8Array(64).fill(0x61)
    const began = performance.now()
    for (let i = 0; i < 60_000; i++) watcher.push(small, false)
    expect(Buffer.from(watcher.push(bytesOf('\n\n'), false)!)).toHaveLength(60_000 * 64 + 2)
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
