import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_EVENT_CHARS, type SseEvent, SseParser, sse } from './sse.ts'

/** The standard's algorithm, word for word, over a whole stream; an unterminated last event is dispatched. */
function wholeStream(text: string): SseEvent[] {
  const events: SseEvent[] = []
  let event = ''
  let data = ''
  for (const line of [...text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/), '']) {
    if (line === '') {
      if (data !== '') events.push({ event, data: data.replace(/\n$/, '') })
      event = ''
      data = ''
    } else if (!line.startsWith(':')) {
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
      if (field === 'data') data += `${value}\n`
      else if (field === 'event') event = value
    }
  }
  return events
}

/** The events of a stream that arrives in these pieces. */
function parsed(pieces: readonly Uint8Array[]): SseEvent[] {
  const parser = new SseParser()
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]
}

function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i]!, end))
}

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))
const piece = fc.constantFrom(
  ...['data', 'data:', 'data: ', 'event: ', 'event:e', ':', ': comment', 'id: 1', 'retry: 5', 'other: x', ' data: x'],
  ...[
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\r\r',
    '\r\n\r\n',
    ' ',
    '{"a":1}',
    'é',
    '€',
    '😀',
    '\u2028',
    '\uFEFF',
    '\0',
    'Data: x',
  ],
)
const stream = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))

describe('SseParser', () => {
  test('any stream, cut anywhere, gives the events that the standard gives', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 8 }), (text, places) => {
        expect(parsed(cutAt(bytesOf(text), places))).toEqual(wholeStream(text))
      }),
      { numRuns: 1_000 },
    )
  })

  test('any stream gives them byte by byte too, with empty pieces between', () => {
    fc.assert(
      fc.property(stream, (text) => {
        const bytes = [...bytesOf(text)].flatMap((byte) => [Uint8Array.of(byte), new Uint8Array(0)])
        expect(parsed(bytes)).toEqual(wholeStream(text))
      }),
    )
  })

  test('bytes that are no UTF-8 read the same wherever they are cut', () => {
    const some = fc.oneof(fc.uint8Array({ maxLength: 6 }), piece.map(bytesOf))
    const bytes = fc.array(some, { maxLength: 20 }).map((parts) => new Uint8Array(Buffer.concat(parts)))
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 8 }), (whole, places) => {
        expect(parsed(cutAt(whole, places))).toEqual(
          wholeStream(new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole)),
        )
      }),
      { numRuns: 500 },
    )
  })

  test('what sse() writes comes back, whatever the text', () => {
    const line = fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text))
    fc.assert(
      fc.property(fc.array(fc.tuple(line, fc.option(fc.constantFrom('ping', 'message_stop')))), (events) => {
        const text = events.map(([data, event]) => sse(data, event ?? undefined)).join('')
        expect(parsed([bytesOf(text)])).toEqual(events.map(([data, event]) => ({ event: event ?? '', data })))
      }),
    )
  })

  test.each(['\n', '\r', '\r\n'])('an event goes out with its blank line, not with the next event (%j)', (end) => {
    const parser = new SseParser()
    expect(parser.push(bytesOf(`data: 1${end}`))).toEqual([])
    expect(parser.push(bytesOf(end))).toEqual([{ event: '', data: '1' }])
  })

  test('a LF after a CR that ended the event begins no other', () => {
    const parser = new SseParser()
    expect(parser.push(bytesOf('data: 1\r\n\r'))).toEqual([{ event: '', data: '1' }])
    expect(parser.push(bytesOf('\ndata: 2\r'))).toEqual([])
    expect(parser.push(bytesOf('\n'))).toEqual([])
    expect(parser.push(bytesOf('\r'))).toEqual([{ event: '', data: '2' }])
    expect(parser.end()).toEqual([])
  })

  test('an event that the stream’s end cuts off is told once, at the end', () => {
    const parser = new SseParser()
    expect(parser.push(bytesOf('event: e\ndata: 1'))).toEqual([])
    expect(parser.end()).toEqual([{ event: 'e', data: '1' }])
    expect(parser.end()).toEqual([])
  })
})

describe('the limit of an event', () => {
  const part = new Uint8Array(1024 * 1024).fill(0x61)

  test('a line without an end is held up to the limit, not beyond', () => {
    const parser = new SseParser()
    for (let i = 0; i < 16; i++) parser.push(part)
    expect(() => parser.push(Uint8Array.of(0x61))).toThrow(RangeError)
  })

  test('a comment counts while it has no end', () => {
    const parser = new SseParser()
    parser.push(bytesOf(':'))
    for (let i = 0; i < 15; i++) parser.push(part)
    expect(() => parser.push(part)).toThrow(RangeError)
  })

  test('many short lines are bounded as one long one is, empty ones too', () => {
    const lines = bytesOf('data:\n'.repeat(200_000))
    const parser = new SseParser()
    let pushed = 0
    expect(() => {
      for (; pushed <= MAX_EVENT_CHARS; pushed += lines.length) parser.push(lines)
    }).toThrow(RangeError)
    expect(pushed).toBeGreaterThan(MAX_EVENT_CHARS - 2 * lines.length)
  })

  test('events that end are not added up, nor comments and other fields between them', () => {
    const parser = new SseParser()
    const event = bytesOf(`data: ${'a'.repeat(1024 * 1024)}\n\n: ${'c'.repeat(1024 * 1024)}\nid: ${'i'.repeat(1024)}\n`)
    let events = 0
    for (let i = 0; i < 20; i++) for (const cut of cutAt(event, [700_000, 1_500_000])) events += parser.push(cut).length
    expect(events).toBe(20)
  })
})

describe('time grows with the length only', () => {
  const quickly = (run: () => void) => {
    const began = performance.now()
    run()
    expect(performance.now() - began).toBeLessThan(5_000)
  }

  test('of a long line that comes in small pieces', () => {
    const parser = new SseParser()
    const small = new Uint8Array(64).fill(0x61)
    parser.push(bytesOf('data: '))
    quickly(() => {
      for (let i = 0; i < 200_000; i++) parser.push(small)
      expect(parser.push(bytesOf('\n\n'))).toHaveLength(1)
    })
  })

  test.each(['\n', '\r'])('of a piece with many lines that all end in %j', (end) => {
    const parser = new SseParser()
    quickly(() => expect(parser.push(bytesOf(`data${end}${end}`.repeat(1_000_000)))).toHaveLength(1_000_000))
  })
})

test('events say their ids where that is asked for: each the one that had come last', () => {
  const text = 'data: 0\n\nid: 1\ndata: 1\n\ndata: 2\n\nid: 3\ndata: \n\n'
  const parser = new SseParser(true)
  expect(parser.push(bytesOf(text))).toEqual([
    { event: '', data: '0' },
    { event: '', data: '1', id: '1' },
    { event: '', data: '2', id: '1' },
    { event: '', data: '', id: '3' },
  ])
  expect(new SseParser().push(bytesOf(text))[1]).toEqual({ event: '', data: '1' })
})
