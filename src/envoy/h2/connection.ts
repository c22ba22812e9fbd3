import type { Duplex } from 'node:stream'
import { areTrailers, readRequest } from './fields.ts'
import {
  ConnectionError,
  defaultMaxFrameSize,
  defaultWindow,
  errorCode,
  FrameReader,
  type FrameSink,
  flag,
  frameType,
  maxStream,
  maxWindow,
  StreamError,
  setting,
} from './frame.ts'
import { grpcStatus, unsupportedMediaType } from './grpc.ts'
import { defaultTableSize, HpackDecoder } from './hpack.ts'
import {
  connectionWindow,
  IdleFrames,
  maxConcurrentStreams,
  maxHeaderFrames,
  maxHeaderListSize,
  ReceiveWindow,
  streamWindow,
} from './limits.ts'
import { type GrpcCall, type GrpcReceiver, Stream, type StreamOwner } from './stream.ts'
import { Writer } from './writer.ts'

/** How long a client has to close a connection that we have ended. */
const lingerMs = 1000
const goAwayPing = Buffer.from('goodbye!')

export interface ConnectionOptions {
  maxMessageBytes: number
  /** By path. */
  methods: ReadonlyMap<string, (call: GrpcCall) => GrpcReceiver>
  report(error: unknown): void
}

/** One client's connection: what the frames it sends mean (RFC 9113, sections 5 and 6). */
export class Connection implements FrameSink, StreamOwner {
  readonly writer: Writer
  readonly #socket: Duplex
  readonly #options: ConnectionOptions
  readonly #frames = new FrameReader(this)
  readonly #decoder = new HpackDecoder(maxHeaderListSize)
  readonly #streams = new Map<number, Stream>()
  readonly #window = new ReceiveWindow(connectionWindow)
  readonly #idleFrames = new IdleFrames()
  #greeted = false
  /** A header block under way. */
  #block: { stream: number; flags: number; pieces: Buffer[]; size: number } | undefined
  #lastStream = 0
  /** Once we go away, streams after this one are not served. */
  #lastServed = maxStream
  /** Whether nothing is read any more. */
  #ended = false

  /** Takes over a socket just accepted. */
  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.writer = new Writer(socket)
    this.writer.settings([
      [setting.maxConcurrentStreams, maxConcurrentStreams],
      [setting.initialWindowSize, streamWindow],
      [setting.maxHeaderListSize, maxHeaderListSize],
    ])
    this.writer.windowUpdate(0, connectionWindow - defaultWindow)
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', () => this.#lose())
  }

  /** Asks the client to use another connection, and closes this one when its calls have ended (section 6.8). */
  goAway(): void {
    if (this.#ended) return
    this.writer.goAway(maxStream, errorCode.noError)
    // What the client sent before it heard of this comes before its answer to the ping.
    this.writer.ping(0, goAwayPing)
  }

  /** Cuts the connection; its calls hear of it at once. */
  destroy(): void {
    this.#socket.destroy()
    this.#lose()
  }

  forget(stream: Stream): void {
    this.#streams.delete(stream.id)
    this.#endIfDone()
  }

  report(error: unknown): void {
    this.#options.report(error)
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#ended) return
    if (this.#block && type !== frameType.continuation) throw protocolError('a frame within a header block')
    if (!this.#greeted && type !== frameType.settings) throw protocolError('a frame before SETTINGS')
    try {
      this.#take(type, flags, id, bytes, start, end)
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      this.writer.reset(id, error.code)
      this.#streams.get(id)?.lost()
    }
  }

  #take(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case frameType.data:
        this.#data(flags, id, bytes, start, end)
        break
      case frameType.headers:
        this.#headers(flags, id, bytes, start, end)
        break
      case frameType.continuation:
        this.#continuation(flags, id, bytes, start, end)
        break
      case frameType.rstStream:
        expectSize(end - start, 4)
        if (this.#wasOpened(id)) this.#streams.get(id)?.lost()
        break
      case frameType.settings:
        expectConnection(id)
        this.#settings(flags, bytes, start, end)
        break
      case frameType.ping:
        expectConnection(id)
        expectSize(end - start, 8)
        this.#ping(flags, bytes.subarray(start, end))
        break
      case frameType.windowUpdate:
        expectSize(end - start, 4)
        this.#windowUpdate(id, bytes.readUInt32BE(start) & maxWindow)
        break
      case frameType.priority:
        if (id === 0) throw protocolError('PRIORITY on the connection')
        expectSize(end - start, 5)
        break
      case frameType.goAway:
        expectConnection(id) // the client closes when it has its answers
        break
      case frameType.pushPromise:
        throw protocolError('PUSH_PROMISE from a client')
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return
    this.writer.batching = true
    try {
      this.#frames.push(chunk)
    } catch (error) {
      this.#fail(error)
    }
    this.writer.batching = false
    this.writer.flush()
  }

  #data(flags: number, id: number, bytes: Buffer, payloadStart: number, payloadEnd: number): void {
    const size = payloadEnd - payloadStart
    const last = (flags & flag.endStream) !== 0
    if (size === 0 && !last) this.#idleFrames.add()
    const opening = this.#window.take(size)
    if (opening === -1) throw new ConnectionError(errorCode.flowControlError, 'DATA over the window')
    if (opening > 0) this.writer.windowUpdate(0, opening)
    const start = flags & flag.padded ? payloadStart + 1 : payloadStart
    const end = flags & flag.padded ? payloadEnd - (bytes[payloadStart] ?? 0) : payloadEnd
    if (end < start) throw protocolError('padding over the payload')
    if (!this.#wasOpened(id)) return
    const stream = this.#streams.get(id)
    if (!stream) {
      this.writer.reset(id, errorCode.streamClosed) // common enough not to throw
      return
    }
    if (stream.remoteEnded) throw new StreamError(errorCode.streamClosed)
    const streamOpening = stream.window.take(size)
    if (streamOpening === -1) throw new StreamError(errorCode.flowControlError)
    if (streamOpening > 0 && !last) this.writer.windowUpdate(id, streamOpening)
    if (end > start) stream.data(bytes, start, end)
    if (last) stream.endOfData()
  }

  #headers(flags: number, id: number, bytes: Buffer, payloadStart: number, payloadEnd: number): void {
    if (id % 2 === 0) throw protocolError('HEADERS on a stream that is not the client’s')
    let start = payloadStart
    let end = payloadEnd
    if (flags & flag.padded) end -= bytes[start++] ?? 0
    if (flags & flag.priority) start += 5
    if (end < start) throw protocolError('padding over the payload')
    if (flags & flag.endHeaders) this.#fields(id, flags, bytes, start, end)
    else this.#block = { stream: id, flags, pieces: [bytes.subarray(start, end)], size: end - start }
  }

  #continuation(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block
    if (!block || block.stream !== id) throw protocolError('CONTINUATION of nothing')
    block.size += end - start
    if (block.pieces.push(bytes.subarray(start, end)) > maxHeaderFrames || block.size > maxHeaderListSize)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'a header block that is too long')
    if ((flags & flag.endHeaders) === 0) return
    this.#block = undefined
    this.#fields(id, block.flags, Buffer.concat(block.pieces), 0, block.size)
  }

  /** A whole header block: a request, or its trailers. It is decoded whatever it is for: later blocks build on it. */
  #fields(id: number, flags: number, bytes: Buffer, start: number, end: number): void {
    const fields = this.#decoder.decode(bytes, start, end)
    const last = (flags & flag.endStream) !== 0
    const stream = this.#streams.get(id)
    if (stream) {
      if (stream.remoteEnded) throw new StreamError(errorCode.streamClosed)
      if (!last || !fields || !areTrailers(fields)) throw new StreamError(errorCode.protocolError)
      stream.endOfData()
    } else if (id <= this.#lastStream) {
      if (fields && readRequest(fields)) throw protocolError('a request on a stream that was used before')
      throw new StreamError(errorCode.streamClosed)
    } else if (id <= this.#lastServed) {
      this.#lastStream = id
      if (this.#streams.size >= maxConcurrentStreams) throw new StreamError(errorCode.refusedStream)
      const request = fields && readRequest(fields)
      if (fields && !request) throw new StreamError(errorCode.protocolError)
      this.#open(id, request, last)
    }
  }

  /** @param request undefined where its fields were too large to read */
  #open(id: number, request: ReturnType<typeof readRequest>, last: boolean): void {
    const stream = new Stream(id, this, this.#options.maxMessageBytes)
    stream.remoteEnded = last
    this.#streams.set(id, stream)
    const method = request && this.#options.methods.get(request.path)
    if (!request) stream.fail(grpcStatus.resourceExhausted, 'the header fields are too large')
    else if (!request.grpc) stream.refuse(unsupportedMediaType)
    else if (!method) stream.fail(grpcStatus.unimplemented, 'there is no such method')
    else {
      stream.open(method)
      if (last) stream.endOfData()
    }
  }

  /**
   * For frames other than HEADERS, which may come for a stream after its end: the client hears of that later.
   * @returns false for a stream that we did not serve because we go away
   * @throws {ConnectionError} for one that the client did not open
   */
  #wasOpened(id: number): boolean {
    if (id === 0 || (id > this.#lastStream && id <= this.#lastServed))
      throw protocolError('a frame for a stream that is not open')
    return id <= this.#lastStream
  }

  #settings(flags: number, bytes: Buffer, start: number, end: number): void {
    const ack = (flags & flag.ack) !== 0
    if (ack) expectSize(end - start, 0)
    expectSize((end - start) % 6, 0)
    this.#greeted = true
    if (ack) return
    this.#idleFrames.add()
    for (let at = start; at < end; at += 6) this.#setting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
    this.writer.settingsAck()
    this.writer.pump()
  }

  /** Section 6.5.2. */
  #setting(id: number, value: number): void {
    if (id === setting.headerTableSize) {
      if (value < defaultTableSize) this.writer.shrinkTable()
    } else if (id === setting.enablePush) {
      if (value > 1) throw protocolError('ENABLE_PUSH that is not a truth value')
    } else if (id === setting.maxFrameSize) {
      if (value < defaultMaxFrameSize || value > 0xff_ffff) throw protocolError('a frame size out of range')
      this.writer.maxFrameSize = value
    } else if (id === setting.initialWindowSize) {
      expectWindow(value)
      const change = value - this.writer.initialWindow
      this.writer.initialWindow = value
      for (const stream of this.#streams.values()) {
        stream.sendWindow += change
        expectWindow(stream.sendWindow)
      }
    }
  }

  #ping(flags: number, opaque: Buffer): void {
    if ((flags & flag.ack) === 0) {
      this.#idleFrames.add()
      this.writer.ping(flag.ack, opaque)
    } else if (opaque.equals(goAwayPing) && this.#lastServed === maxStream) {
      this.#lastServed = this.#lastStream
      this.writer.goAway(this.#lastStream, errorCode.noError)
      this.#endIfDone()
    }
  }

  #windowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (increment === 0) throw protocolError('an empty WINDOW_UPDATE')
      this.writer.window += increment
      expectWindow(this.writer.window)
    } else {
      const stream = this.#wasOpened(id) ? this.#streams.get(id) : undefined
      if (!stream) return
      if (increment === 0) throw new StreamError(errorCode.protocolError)
      stream.sendWindow += increment
      if (stream.sendWindow > maxWindow) throw new StreamError(errorCode.flowControlError)
    }
    this.writer.pump()
  }

  #fail(error: unknown): void {
    const known = error instanceof ConnectionError
    if (!known) this.report(error)
    const { code, message } = known ? error : new ConnectionError(errorCode.internalError, 'a bug')
    this.writer.goAway(this.#lastStream, code, message)
    this.#end()
    this.#lose()
  }

  #endIfDone(): void {
    if (this.#streams.size === 0 && this.#lastServed < maxStream) this.#end()
  }

  /** Sends what is left and ends. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.writer.finish()
    setTimeout(() => this.#socket.destroy(), lingerMs).unref()
  }

  #lose(): void {
    this.#ended = true
    for (const stream of this.#streams.values()) stream.lost()
  }
}

function protocolError(message: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, message)
}

function expectConnection(id: number): void {
  if (id !== 0) throw protocolError('a frame of the connection on a stream')
}

function expectSize(size: number, expected: number): void {
  if (size !== expected) throw new ConnectionError(errorCode.frameSizeError, 'a frame of a wrong size')
}

function expectWindow(size: number): void {
  if (size > maxWindow) throw new ConnectionError(errorCode.flowControlError, 'a window over the maximum')
}
