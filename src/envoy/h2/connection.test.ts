import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Connection } from './connection.ts'
import { errorCode, FrameReader, flag, frameType, setting, writeFrameHeader } from './frame.ts'
import { encodeLiterals, HpackDecoder } from './hpack.ts'
import { maxConcurrentStreams, maxHeaderFrames, maxIdleFramesPerSecond } from './limits.ts'
import type { GrpcCall } from './stream.ts'

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const { data, headers, priority, rstStream, settings, pushPromise, ping, goAway, windowUpdate, continuation } =
  frameType

function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(9)
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream)
  return Buffer.concat([bytes, payload])
}

function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, at * 4)
  return bytes
}

function settingPair(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(0, id), uint32(value)])
}

function message(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.of(0), uint32(bytes.length), bytes])
}

type Pair = [string, string]
const requestFields = (path: string): Pair[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]
const block = (path: string) => encodeLiterals(requestFields(path))
const request = (stream: number, path: string, flags = 0) =>
  frame(headers, flag.endHeaders | flags, stream, block(path))
const greeting = Buffer.concat([preface, frame(settings, 0, 0)])

interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

/** A connection whose other side is this test: what it is sent arrives at once. */
class Peer {
  readonly writes: Buffer[] = []
  readonly reported: unknown[] = []
  readonly calls: GrpcCall[] = []
  readonly kept: Uint8Array[] = []
  closed = 0
  drained = 0
  readonly connection: Connection
  readonly #socket: Duplex
  readonly #unread: (() => void)[] = []

  /** @param reads whether what is written is taken at once, or when `read` is called */
  constructor(reads = true, maxMessageBytes = 1_000_000) {
    this.#socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        // A copy: the writer uses its memory again.
        this.writes.push(Buffer.from(chunk))
        if (reads) done()
        else this.#unread.push(done)
      },
    })
    this.connection = new Connection(this.#socket, {
      maxMessageBytes,
      report: (error) => this.reported.push(error),
      methods: new Map([
        ['/echo', (call) => this.#receiver((bytes) => call.write(bytes), call)],
        ['/quiet', (call) => this.#receiver((bytes) => this.kept.push(bytes), call)],
        [
          '/broken',
          (call) =>
            this.#receiver(() => {
              throw new Error('broken')
            }, call),
        ],
      ]),
    })
  }

  #receiver(message: (bytes: Uint8Array) => void, call: GrpcCall) {
    this.calls.push(call)
    return {
      message,
      end: () => call.end(),
      closed: () => void this.closed++,
      drained: () => void this.drained++,
    }
  }

  send(...chunks: Buffer[]): this {
    for (const chunk of chunks) this.#socket.emit('data', chunk)
    return this
  }

  /** Takes everything written so far. */
  async read(): Promise<void> {
    while (this.#unread.length > 0) {
      this.#unread.shift()?.()
      await new Promise(setImmediate)
    }
  }

  /** The messages that `/quiet` got, read only now. */
  get received(): string[] {
    return this.kept.map((bytes) => Buffer.from(bytes).toString())
  }

  get paused(): boolean {
    return this.#socket.isPaused()
  }

  get ended(): boolean {
    return this.#socket.writableEnded
  }

  /** What was sent, but for the first SETTINGS and window. */
  get frames(): Frame[] {
    const frames: Frame[] = []
    const reader = new FrameReader({
      frame: (type, flags, stream, bytes, start, end) =>
        frames.push({ type, flags, stream, payload: bytes.subarray(start, end) }),
    })
    reader.push(preface)
    for (const bytes of this.writes) reader.push(bytes)
    return frames.slice(2)
  }

  /** Frames of one type. */
  sent(type: number): Frame[] {
    return this.frames.filter((sent) => sent.type === type)
  }

  get goAwayCode(): number | undefined {
    return this.sent(goAway)[0]?.payload.readUInt32BE(4)
  }

  resetCode(stream: number): number | undefined {
    return this.sent(rstStream)
      .find((sent) => sent.stream === stream)
      ?.payload.readUInt32BE(0)
  }

  /** A stream's status, from its trailers. */
  status(stream: number): string | undefined {
    const decoder = new HpackDecoder(65_536)
    for (const sent of this.sent(headers)) {
      const fields = decoder.decode(sent.payload, 0, sent.payload.length)!
      const status = fields.find(({ name }) => name === 'grpc-status')
      if (sent.stream === stream && status) return status.value
    }
    return undefined
  }

  /** The bytes of a stream's DATA. */
  body(stream: number): Buffer {
    return Buffer.concat(
      this.sent(data)
        .filter((sent) => sent.stream === stream)
        .map(({ payload }) => payload),
    )
  }
}

describe('writes', () => {
  it('sends a whole answer in one write, and the answers of a chunk together', () => {
    const peer = new Peer().send(greeting)
    const before = peer.writes.length
    peer.send(
      Buffer.concat(
        [1, 3, 5].flatMap((id) => [request(id, '/echo'), frame(data, flag.endStream, id, message('hello'))]),
      ),
    )
    expect(peer.writes.length - before).toBe(1)
    for (const id of [1, 3, 5]) {
      expect(peer.body(id)).toEqual(message('hello'))
      expect(peer.status(id)).toBe('0')
    }
  })

  it('gathers what is written between chunks', async () => {
    const peer = new Peer().send(greeting, request(1, '/quiet'))
    const before = peer.writes.length
    peer.calls[0]?.write(Buffer.from('a'))
    peer.calls[0]?.write(Buffer.from('b'))
    peer.calls[0]?.end()
    expect(peer.writes.length).toBe(before)
    await new Promise(setImmediate)
    expect(peer.writes.length).toBe(before + 1)
    expect(peer.body(1)).toEqual(Buffer.concat([message('a'), message('b')]))
  })

  it('answers the same however its input is cut', () => {
    const long = block('/echo')
    const input = Buffer.concat([
      greeting,
      request(1, '/echo'),
      frame(data, 0, 1, message('one')),
      frame(
        headers,
        flag.padded | flag.priority,
        3,
        Buffer.concat([Buffer.of(2, 0, 0, 0, 0, 9), long.subarray(0, 20), Buffer.alloc(2)]),
      ),
      frame(continuation, 0, 3, long.subarray(20, 30)),
      frame(continuation, flag.endHeaders, 3, long.subarray(30)),
      frame(data, flag.padded, 3, Buffer.concat([Buffer.of(4), message('two').subarray(0, 3), Buffer.alloc(4)])),
      frame(ping, 0, 0, Buffer.from('12345678')),
      frame(data, flag.endStream, 3, Buffer.concat([message('two').subarray(3), message('three'), message('')])),
      frame(0xfa, 0, 7, Buffer.from('unknown')),
      frame(data, flag.endStream, 1, message('x'.repeat(3000))),
    ])
    const output = (chunks: Buffer[]) => Buffer.concat(new Peer().send(...chunks).writes)
    const whole = output([input])
    expect(whole.includes('two')).toBe(true)
    expect(whole.includes('three')).toBe(true)
    for (let at = 1; at < input.length; at++)
      expect(output([input.subarray(0, at), input.subarray(at)]).equals(whole)).toBe(true)
    expect(output([...input].map((byte) => Buffer.of(byte))).equals(whole)).toBe(true)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: input.length })), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), input.length]
        const chunks = edges.slice(1).map((edge, index) => input.subarray(edges[index], edge))
        return output(chunks.filter(({ length }) => length > 0)).equals(whole)
      }),
    )
  })

  it('stops reading a client that does not read, and goes on when it does', async () => {
    const peer = new Peer(false).send(greeting)
    const pings = Buffer.concat(Array.from({ length: 900 }, () => frame(ping, 0, 0, Buffer.alloc(8))))
    peer.send(pings)
    expect(peer.paused).toBe(false)
    peer.send(frame(settings, 0, 0, Buffer.concat([settingPair(setting.initialWindowSize, 2 ** 30)])))
    peer.send(frame(windowUpdate, 0, 0, uint32(2 ** 30)), request(1, '/quiet'))
    for (let i = 0; i < 100; i++) peer.calls[0]?.write(Buffer.alloc(10_000))
    await new Promise(setImmediate)
    expect(peer.paused).toBe(true)
    expect(peer.drained).toBe(0)
    await peer.read()
    expect(peer.paused).toBe(false)
    expect(peer.drained).toBe(1)
    expect(peer.body(1).length).toBe(100 * 10_005)
    expect(peer.sent(ping)).toHaveLength(900)
  })
})

describe('flow control', () => {
  it('sends no more than the stream’s window, and the rest as it opens', () => {
    const peer = new Peer().send(
      preface,
      frame(settings, 0, 0, settingPair(setting.initialWindowSize, 10)),
      request(1, '/echo'),
      frame(data, flag.endStream, 1, message('hello world')),
    )
    expect(peer.body(1).length).toBe(10)
    expect(peer.status(1)).toBeUndefined()
    peer.send(frame(windowUpdate, 0, 1, uint32(5)))
    expect(peer.body(1).length).toBe(15)
    peer.send(frame(windowUpdate, 0, 1, uint32(5)))
    expect(peer.body(1)).toEqual(message('hello world'))
    expect(peer.status(1)).toBe('0')
  })

  it('shares the connection’s window among streams', () => {
    const peer = new Peer().send(greeting, request(1, '/quiet'), request(3, '/quiet'), request(5, '/quiet'))
    const [first, ...others] = peer.calls
    expect(first?.write(Buffer.alloc(65_530))).toBe(true)
    for (const call of others) {
      expect(call.write(Buffer.alloc(20_000))).toBe(false)
      call.end()
    }
    expect(peer.body(3).length + peer.body(5).length).toBe(0)
    peer.send(frame(windowUpdate, 0, 0, uint32(20_000)))
    expect(peer.body(3).length).toBeGreaterThan(0)
    expect(peer.body(5).length).toBeGreaterThan(0)
    expect(peer.body(3).length + peer.body(5).length).toBe(20_000)
    peer.send(frame(windowUpdate, 0, 0, uint32(20_010)))
    expect(peer.status(3)).toBe('0')
    expect(peer.status(5)).toBe('0')
    expect(peer.drained).toBe(0)
  })

  it('follows a changed initial window, also below zero', () => {
    const peer = new Peer().send(
      preface,
      frame(settings, 0, 0, settingPair(setting.initialWindowSize, 10)),
      request(1, '/echo'),
      frame(data, 0, 1, message('hello world')),
      frame(settings, 0, 0, settingPair(setting.initialWindowSize, 4)),
      frame(windowUpdate, 0, 1, uint32(6)),
    )
    expect(peer.body(1).length).toBe(10)
    peer.send(frame(settings, 0, 0, settingPair(setting.initialWindowSize, 6)))
    expect(peer.body(1).length).toBe(12)
    expect(peer.drained).toBe(0)
    peer.send(frame(settings, 0, 0, settingPair(setting.initialWindowSize, 100)))
    expect(peer.body(1)).toEqual(message('hello world'))
    expect(peer.drained).toBe(1)
  })

  it('cuts messages to the peer’s frame size', () => {
    const peer = new Peer().send(greeting, frame(settings, 0, 0, settingPair(setting.maxFrameSize, 20_000)))
    peer.send(request(1, '/quiet'))
    peer.connection.writer.batching = true
    peer.calls[0]?.write(Buffer.alloc(50_000))
    peer.connection.writer.flush()
    const bytes = Buffer.concat(peer.writes)
    const sizes: number[] = []
    for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3))
      if (bytes[at + 3] === data) sizes.push(bytes.readUIntBE(at, 3))
    expect(sizes).toEqual([5, 20_000, 20_000, 10_000])
  })

  it('drops what waits when the call fails or is reset', () => {
    const peer = new Peer().send(preface, frame(settings, 0, 0, settingPair(setting.initialWindowSize, 10)))
    peer.send(request(1, '/quiet'), request(3, '/quiet'))
    for (const call of peer.calls) call.write(Buffer.alloc(100))
    peer.connection.writer.batching = true
    peer.calls[0]?.fail(14, 'gone — 100%')
    peer.send(frame(rstStream, 0, 3, uint32(8)))
    peer.send(frame(windowUpdate, 0, 1, uint32(1000)), frame(windowUpdate, 0, 3, uint32(1000)))
    expect(peer.body(1).length).toBe(10)
    expect(peer.body(3).length).toBe(10)
    expect(peer.status(1)).toBe('14')
    expect(Buffer.concat(peer.writes).includes('gone %E2%80%94 100%25')).toBe(true)
    expect(peer.closed).toBe(1)
  })

  it('opens its own windows in large steps', () => {
    const peer = new Peer(true, 100_000_000).send(greeting, request(1, '/quiet'))
    const piece = frame(data, 0, 1, Buffer.alloc(16_384))
    const first = frame(data, 0, 1, Buffer.concat([Buffer.of(0), uint32(90_000_000)]))
    peer.send(first)
    for (let i = 0; i < 2100; i++) peer.send(piece)
    const updates = peer.sent(windowUpdate)
    expect(updates.filter(({ stream }) => stream === 0).length).toBe(131)
    expect(updates.filter(({ stream }) => stream === 1).length).toBe(262)
    expect(peer.goAwayCode).toBeUndefined()
  })

  it('tells a peer that wants a small header table that it uses none', () => {
    const peer = new Peer().send(preface, frame(settings, 0, 0, settingPair(setting.headerTableSize, 0)))
    peer.send(request(1, '/none', flag.endStream), request(3, '/none', flag.endStream))
    const blocks = peer.sent(headers).map(({ payload }) => payload[0])
    expect(blocks).toEqual([0x20, 0x88])
  })
})

describe('calls', () => {
  const answer = (...frames: Buffer[]) => new Peer(true, 1000).send(greeting, ...frames)

  it.each<[string, string, Buffer[]]>([
    ['an unknown method', '12', [request(1, '/none')]],
    ['a compressed message', '12', [request(1, '/echo'), frame(data, 0, 1, Buffer.of(1, 0, 0, 0, 0))]],
    ['an unknown prefix', '13', [request(1, '/echo'), frame(data, 0, 1, Buffer.of(2, 0, 0, 0, 0))]],
    ['a message over the limit', '8', [request(1, '/echo'), frame(data, 0, 1, Buffer.of(0, 0, 0, 3, 0xe9))]],
    ['half a message', '13', [request(1, '/echo'), frame(data, flag.endStream, 1, message('abc').subarray(0, 7))]],
    ['half a prefix', '13', [request(1, '/echo'), frame(data, flag.endStream, 1, Buffer.of(0, 0))]],
    ['a method that throws', '13', [request(1, '/broken'), frame(data, 0, 1, message('a'))]],
    [
      'header fields that are too large',
      '8',
      [
        frame(headers, 0, 1, block('/echo')),
        ...[0, 1, 2].map(() => frame(continuation, 0, 1, encodeLiterals([['x', 'y'.repeat(16_000)]]))),
        frame(continuation, flag.endHeaders, 1, encodeLiterals(Array.from({ length: 1000 }, (): Pair => ['z', '']))),
      ],
    ],
  ])('fails %s', (_, status, frames) => {
    const peer = answer(...frames)
    expect(peer.status(1)).toBe(status)
    expect(peer.goAwayCode).toBeUndefined()
    // The method hears of it, where it has begun.
    expect(peer.closed).toBe(peer.calls.length)
    peer.send(request(3, '/echo'), frame(data, flag.endStream, 3, message('still here')))
    expect(peer.body(3)).toEqual(message('still here'))
  })

  it('reports what a method throws', () => {
    expect(answer(request(1, '/broken'), frame(data, 0, 1, message('a'))).reported).toEqual([new Error('broken')])
  })

  it('takes a message at the limit, and trailers', () => {
    const peer = answer(
      request(1, '/echo'),
      frame(data, 0, 1, message('x'.repeat(1000))),
      frame(headers, flag.endHeaders | flag.endStream, 1, encodeLiterals([['x', 'y']])),
    )
    expect(peer.body(1).length).toBe(1005)
    expect(peer.status(1)).toBe('0')
  })

  it('refuses what is not gRPC with 415', () => {
    const fields = requestFields('/echo').filter(([name]) => name !== 'content-type')
    const peer = answer(frame(headers, flag.endHeaders | flag.endStream, 1, encodeLiterals(fields)))
    const [sent] = peer.sent(headers)
    expect(sent?.flags).toBe(flag.endHeaders | flag.endStream)
    expect(sent?.payload.includes('415')).toBe(true)
    expect(peer.calls).toEqual([])
  })

  it('does nothing after the end of a call, whoever ended it', async () => {
    const peer = answer(request(1, '/quiet'), request(3, '/quiet'), request(5, '/quiet'))
    const [ended, reset, failed] = peer.calls
    peer.connection.writer.batching = true
    ended?.end()
    failed?.fail(5, 'no')
    peer.send(frame(rstStream, 0, 3, uint32(8)))
    const before = peer.frames.length
    for (const call of [ended, reset, failed]) {
      expect(call?.write(Buffer.from('late'))).toBe(false)
      call?.end()
      call?.fail(13, 'late')
    }
    await new Promise(setImmediate)
    expect(peer.frames.length).toBe(before)
    expect(peer.closed).toBe(1)
  })

  it('asks for the rest of a request not to be sent, and overlooks what still comes', () => {
    const peer = answer(request(1, '/none'), frame(data, 0, 1, message('late')), frame(rstStream, 0, 1, uint32(8)))
    expect(peer.resetCode(1)).toBe(errorCode.noError)
    expect(peer.goAwayCode).toBeUndefined()
  })

  it('gives messages whose bytes may be kept', () => {
    const peer = answer(request(1, '/quiet'))
    const cut = frame(data, 0, 1, Buffer.concat([message('one'), message('two'), message('three')]))
    for (let at = 0; at < cut.length; at += 5) peer.send(Buffer.from(cut.subarray(at, at + 5)))
    peer.send(frame(data, 0, 1, message('fo')), frame(data, 0, 1, message('five').subarray(0, 7)))
    peer.send(frame(data, flag.endStream, 1, message('five').subarray(7)))
    expect(peer.received).toEqual(['one', 'two', 'three', 'fo', 'five'])
  })
})

describe('errors of the connection', () => {
  const { protocolError, frameSizeError, flowControlError, compressionError, streamClosed, enhanceYourCalm } = errorCode

  it.each<[string, number, Buffer[]]>([
    ['no preface', protocolError, [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a frame before SETTINGS', protocolError, [preface, frame(ping, 0, 0, Buffer.alloc(8))]],
    ['a frame over the maximum size', frameSizeError, [greeting, Buffer.of(0, 0x40, 1, 0, 0, 0, 0, 0, 1)]],
    ['DATA on the connection', protocolError, [greeting, frame(data, 0, 0)]],
    ['DATA on an idle stream', protocolError, [greeting, frame(data, 0, 1)]],
    ['padding over DATA', protocolError, [greeting, request(1, '/echo'), frame(data, flag.padded, 1, Buffer.of(1))]],
    ['no padding length', protocolError, [greeting, request(1, '/echo'), frame(data, flag.padded, 1)]],
    ['padding over HEADERS', protocolError, [greeting, frame(headers, flag.padded | 4, 1, Buffer.of(9, 0x82))]],
    ['HEADERS without its priority', protocolError, [greeting, frame(headers, flag.priority | 4, 1, Buffer.of(1))]],
    ['HEADERS on an even stream', protocolError, [greeting, request(2, '/echo')]],
    ['a stream used before', protocolError, [greeting, request(5, '/none'), request(3, '/none')]],
    ['a header block that is not well coded', compressionError, [greeting, frame(headers, 4, 1, Buffer.of(0x80))]],
    ['a frame within a header block', protocolError, [greeting, frame(headers, 0, 1), frame(ping, 0, 0)]],
    ['an unknown frame there', protocolError, [greeting, frame(headers, 0, 1), frame(0xfa, 0, 0)]],
    ['CONTINUATION of another stream', protocolError, [greeting, frame(headers, 0, 1), frame(continuation, 0, 3)]],
    ['CONTINUATION of nothing', protocolError, [greeting, frame(continuation, 4, 1)]],
    ['RST_STREAM of an idle stream', protocolError, [greeting, frame(rstStream, 0, 1, uint32(0))]],
    ['RST_STREAM of the connection', protocolError, [greeting, frame(rstStream, 0, 0, uint32(0))]],
    ['RST_STREAM of a wrong size', frameSizeError, [greeting, frame(rstStream, 0, 1)]],
    ['SETTINGS on a stream', protocolError, [preface, frame(settings, 0, 1)]],
    ['SETTINGS of a wrong size', frameSizeError, [preface, frame(settings, 0, 0, Buffer.alloc(5))]],
    ['SETTINGS acknowledged with a payload', frameSizeError, [greeting, frame(settings, 1, 0, Buffer.alloc(6))]],
    ['ENABLE_PUSH of 2', protocolError, [preface, frame(settings, 0, 0, settingPair(setting.enablePush, 2))]],
    ['a window that is too large', flowControlError, [preface, frame(settings, 0, 0, settingPair(4, 2 ** 31))]],
    ['a frame size that is too small', protocolError, [preface, frame(settings, 0, 0, settingPair(5, 16_383))]],
    ['a frame size that is too large', protocolError, [preface, frame(settings, 0, 0, settingPair(5, 2 ** 24))]],
    [
      'a window grown too large by SETTINGS',
      flowControlError,
      [
        greeting,
        request(1, '/echo'),
        frame(windowUpdate, 0, 1, uint32(2 ** 31 - 1 - 65_535)),
        frame(settings, 0, 0, settingPair(4, 65_536)),
      ],
    ],
    ['PING on a stream', protocolError, [greeting, frame(ping, 0, 1, Buffer.alloc(8))]],
    ['PING of a wrong size', frameSizeError, [greeting, frame(ping, 0, 0, Buffer.alloc(7))]],
    ['PRIORITY on the connection', protocolError, [greeting, frame(priority, 0, 0, Buffer.alloc(5))]],
    ['PRIORITY of a wrong size', frameSizeError, [greeting, frame(priority, 0, 1, Buffer.alloc(4))]],
    ['PUSH_PROMISE', protocolError, [greeting, frame(pushPromise, 4, 1, uint32(2))]],
    ['GOAWAY on a stream', protocolError, [greeting, frame(goAway, 0, 1, Buffer.alloc(8))]],
    ['WINDOW_UPDATE of nothing', protocolError, [greeting, frame(windowUpdate, 0, 0, uint32(0))]],
    ['WINDOW_UPDATE of an idle stream', protocolError, [greeting, frame(windowUpdate, 0, 1, uint32(1))]],
    ['WINDOW_UPDATE over the maximum', flowControlError, [greeting, frame(windowUpdate, 0, 0, uint32(2 ** 31 - 1))]],
    ['WINDOW_UPDATE of a wrong size', frameSizeError, [greeting, frame(windowUpdate, 0, 0, Buffer.alloc(3))]],
    ['many SETTINGS', enhanceYourCalm, [greeting, ...many(maxIdleFramesPerSecond, frame(settings, 0, 0))]],
    ['many PINGs', enhanceYourCalm, [greeting, ...many(maxIdleFramesPerSecond, frame(ping, 0, 0, Buffer.alloc(8)))]],
    [
      'many empty DATA frames',
      enhanceYourCalm,
      [greeting, request(1, '/quiet'), ...many(maxIdleFramesPerSecond, frame(data, 0, 1))],
    ],
    [
      'many empty CONTINUATIONs',
      enhanceYourCalm,
      [greeting, frame(headers, 0, 1), ...many(maxHeaderFrames, frame(continuation, 0, 1))],
    ],
    [
      'a header block without an end',
      enhanceYourCalm,
      [greeting, frame(headers, 0, 1), ...many(5, frame(continuation, 0, 1, Buffer.alloc(16_384)))],
    ],
  ])('ends it for %s', (_, code, frames) => {
    const peer = new Peer().send(...frames)
    expect(peer.goAwayCode).toBe(code)
    expect(peer.ended).toBe(true)
    expect(peer.reported).toEqual([])
    expect(peer.closed).toBe(peer.calls.length)
    const before = peer.writes.length
    peer.send(frame(ping, 0, 0, Buffer.alloc(8)))
    expect(peer.writes.length).toBe(before)
  })

  function many(count: number, one: Buffer): Buffer[] {
    return Array.from({ length: count + 1 }, () => one)
  }

  const { refusedStream } = errorCode
  const open = request(1, '/quiet')
  it.each<[string, number, Buffer[]]>([
    ['DATA after the end', streamClosed, [request(1, '/none', flag.endStream), frame(data, 0, 1)]],
    ['an empty WINDOW_UPDATE', protocolError, [open, frame(windowUpdate, 0, 1, uint32(0))]],
    ['a window over the maximum', flowControlError, [open, frame(windowUpdate, 0, 1, uint32(2 ** 31 - 1))]],
    ['HEADERS within a call that do not end it', protocolError, [open, request(1, '/quiet')]],
    ['pseudo-fields in trailers', protocolError, [open, request(1, '/quiet', flag.endStream)]],
  ])('resets the stream for %s', (_, code, frames) => {
    const peer = new Peer().send(greeting, ...frames)
    expect(peer.resetCode(1)).toBe(code)
    expect(peer.goAwayCode).toBeUndefined()
    expect(peer.closed).toBe(peer.calls.length)
  })

  it.each<[string, Pair[]]>([
    ['no method', requestFields('/echo').slice(1)],
    ['an empty path', requestFields('')],
    ['two paths', [[':path', '/echo'], ...requestFields('/echo')]],
    ['an unknown pseudo-field', [[':status', '200'], ...requestFields('/echo')]],
    ['a pseudo-field after others', [['te', 'trailers'], ...requestFields('/echo')]],
    ['capitals', [...requestFields('/echo'), ['X', 'y']]],
    ['an empty name', [...requestFields('/echo'), ['', 'y']]],
    ['a space in a name', [...requestFields('/echo'), ['a b', 'y']]],
    ['a line break in a value', [...requestFields('/echo'), ['a', 'b\r\nc: d']]],
    ['space around a value', [...requestFields('/echo'), ['a', ' b']]],
    ['a field of HTTP/1', [...requestFields('/echo'), ['connection', 'close']]],
    ['te other than trailers', [...requestFields('/echo'), ['te', 'gzip']]],
  ])('resets a request with %s', (_, fields) => {
    const peer = new Peer().send(greeting, frame(headers, flag.endHeaders, 1, encodeLiterals(fields)))
    expect(peer.resetCode(1)).toBe(protocolError)
    expect(peer.calls).toEqual([])
  })

  it('refuses streams over the limit', () => {
    const peer = new Peer().send(greeting)
    const fields = block('/quiet')
    const requests = Array.from({ length: maxConcurrentStreams }, (_, i) => frame(headers, 4, i * 2 + 1, fields))
    peer.send(Buffer.concat(requests))
    expect(peer.sent(rstStream)).toEqual([])
    const next = maxConcurrentStreams * 2 + 1
    peer.send(frame(headers, 4, next, fields))
    expect(peer.resetCode(next)).toBe(refusedStream)
    expect(peer.calls).toHaveLength(maxConcurrentStreams)
  })
})

describe('anything at all', () => {
  /** Frames that are nearly right. */
  const nearly = fc
    .record({
      type: fc.integer({ min: 0, max: 10 }),
      flags: fc.integer({ min: 0, max: 255 }),
      stream: fc.integer({ min: 0, max: 9 }),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constant(block('/echo')),
        fc.constant(message('hi')),
        fc.constant(uint32(7)),
        fc.constant(Buffer.alloc(8)),
      ),
    })
    .map(({ type, flags, stream, payload }) => frame(type, flags, stream, payload))

  it('never throws and reports nothing; what cannot go on ends with GOAWAY', () => {
    fc.assert(
      fc.property(fc.array(nearly, { maxLength: 30 }), fc.uint8Array({ maxLength: 100 }), (frames, garbage) => {
        const peer = new Peer().send(greeting, ...frames, Buffer.from(garbage))
        expect(peer.reported).toEqual([])
        expect(peer.goAwayCode !== undefined).toBe(peer.ended)
      }),
      { numRuns: 3000 },
    )
  })

  it('ends with GOAWAY for a client that does not speak HTTP/2', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 100 }), (garbage) => {
        const peer = new Peer().send(Buffer.from(garbage))
        expect(peer.goAwayCode).toBe(errorCode.protocolError)
      }),
    )
  })
})

describe('going away', () => {
  it('serves what was sent before the client could hear of it, then closes', async () => {
    const peer = new Peer().send(greeting, request(1, '/quiet'))
    peer.connection.goAway()
    await new Promise(setImmediate)
    const opaque = peer.sent(ping)[0]!.payload
    expect(peer.sent(goAway)[0]?.payload.readUInt32BE(0)).toBe(2 ** 31 - 1)
    peer.send(request(3, '/echo'), frame(data, flag.endStream, 3, message('in time')))
    expect(peer.body(3)).toEqual(message('in time'))
    peer.send(frame(ping, flag.ack, 0, opaque))
    expect(peer.sent(goAway)[1]?.payload.readUInt32BE(0)).toBe(3)
    peer.send(
      request(5, '/echo'),
      frame(data, 0, 5, message('late')),
      frame(windowUpdate, 0, 5, uint32(5)),
      frame(rstStream, 0, 5, uint32(8)),
    )
    expect(peer.calls).toHaveLength(2)
    expect(peer.ended).toBe(false)
    peer.send(frame(data, flag.endStream, 1, message('last')))
    expect(peer.received).toEqual(['last'])
    expect(peer.status(1)).toBe('0')
    expect(peer.ended).toBe(true)
    expect(peer.sent(goAway).map(({ payload }) => payload.readUInt32BE(4))).toEqual([0, 0])
  })
})
