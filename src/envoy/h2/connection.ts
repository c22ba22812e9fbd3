import type { Socket } from 'node:net'
import { areTrailers, readRequest } from './fields.ts'
import {
  ConnectionError,
  defaultMaxFrameSize,
  errorCode,
  FrameReader,
  type FrameSink,
  flag,
  frameType,
  maxWindow,
  setting,
} from './frame.ts'
import { grpcStatus, unsupportedMediaType } from './grpc.ts'
import { defaultTableSize, HpackDecoder, HpackError } from './hpack.ts'
import { type GrpcCall, type GrpcReceiver, Stream, type StreamOwner } from './stream.ts'
import { Writer } from './writer.ts'

/** Streams a client may have open on one connection. */
export const maxConcurrentStreams = 65_536
/** Of a request's header fields, coded or not. */
export const maxHeaderListSize = 65_536
/** Frames that one header block may be cut into. */
export const maxHeaderFrames = 64
/** Frames a second that ask for an answer, or for work, and bring nothing. */
export const maxIdleFramesPerSecond = 1000

/** Bytes a client may have under way before it hears of more; what is received is never left unread, so these hold nothing back. */
const streamWindow = 4 * 1024 * 1024
const connectionWindow = 64 * 1024 * 1024
/** How long a client has to close a connection that failed. */
const lingerMs = 1000

const noFlags = 0
const largestStream = 0x7fff_ffff
const goAwayPing = Buffer.from('goodbye!')

export interface ConnectionOptions {
  maxMessageBytes: number
  /** By path. */
  methods: ReadonlyMap<string, (call: GrpcCall) => GrpcReceiver>
  report(error: unknown): void
}

/** A header block under way. */
interface HeaderBlock {
  stream: number
  flags: number
  pieces: Buffer[]
  size: number
}

/** One client's connection: what the frames it sends mean (RFC 9113, sections 5 and 6). */
export class Connection implements FrameSink, StreamOwner {
  readonly writer: Writer
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #frames = new FrameReader(this)
  readonly #decoder = new HpackDecoder(maxHeaderListSize)
  readonly #streams = new Map<number, Stream>()
  #lastStream = 0
  #greeted = false
  #block: HeaderBlock | undefined
  #unacknowledged = 0
  #idleFrames = 0
  #idleSince = 0
  /** Streams after this one are not served, once we go away. */
  #lastServed = largestStream
  /** Whether nothing is read any more. */
  #ended = false

  /** Takes over a socket just accepted. */
  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.writer = new Writer(socket)
    this.writer.settings([
      [setting.maxConcurrentStreams, maxConcurrentStreams],
      [setting.initialWindowSize, streamWindow],
      [setting.maxHeaderListSize, maxHeaderListSize],
    ])
    this.writer.windowUpdate(0, connectionWindow - 65_535)
    socket.on('data', (chunk) => this.#receive(chunk))
    // A broken connection is seen by its streams; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#lose())
  }

  /** Asks the client to use another connection, and closes this one when its calls have ended (section 6.8). */
  goAway(): void {
    if (this.#ended) return
    this.writer.goAway(largestStream, errorCode.noError)
    // What the client sent before it heard of this comes before its answer to the ping.
    this.writer.ping(noFlags, goAwayPing)
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#socket.destroy()
  }

  forget(stream: Stream): void {
    this.#streams.delete(stream.id)
    if (this.#streams.size === 0 && this.#lastServed < largestStream) this.#end()
  }

  report(error: unknown): void {
    this.#options.report(error)
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#ended) return
    if (this.#block && type !== frameType.continuation) throw protocolError('a frame within a header block')
    if (!this.#greeted && type !== frameType.settings) throw protocolError('a frame before SETTINGS')
    switch (type) {
      case frameType.data:
        this.#data(flags, id, bytes, start, end)
        return
      case frameType.headers:
        this.#headers(flags, id, bytes, start, end)
        return
      case frameType.continuation:
        this.#continuation(flags, id, bytes, start, end)
        return
      case frameType.rstStream:
        this.#rstStream(id, end - start)
        return
      case frameType.settings:
        this.#settings(flags, id, bytes, start, end)
        return
      case frameType.ping:
        this.#ping(flags, id, bytes, start, end)
        return
      case frameType.windowUpdate:
        this.#windowUpdate(id, bytes, start, end)
        return
      case frameType.priority:
        if (id === 0) throw protocolError('PRIORITY on the connection')
        if (end - start !== 5) throw frameSizeError('PRIORITY of a wrong size')
        return
      case frameType.pushPromise:
        throw protocolError('PUSH_PROMISE from a client')
      case frameType.goAway:
        if (id !== 0) throw protocolError('GOAWAY on a stream')
        return // the client closes when it has its answers
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
    if (id === 0) throw protocolError('DATA on the connection')
    const size = payloadEnd - payloadStart
    const last = (flags & flag.endStream) !== 0
    if (size === 0 && !last) this.#countIdleFrame()
    this.#unacknowledged += size
    if (this.#unacknowledged > connectionWindow) throw new ConnectionError(errorCode.flowControlError, 'too much DATA')
    if (this.#unacknowledged >= connectionWindow / 2) {
      this.writer.windowUpdate(0, this.#unacknowledged)
      this.#unacknowledged = 0
    }
    let start = payloadStart
    let end = payloadEnd
    if (flags & flag.padded) {
      end -= bytes[start++] ?? 0
      if (end < start) throw protocolError('padding over the payload')
    }
    const stream = this.#streams.get(id)
    if (!stream || stream.remoteEnded) {
      this.#closedStream(id)
      return
    }
    stream.unacknowledged += size
    if (stream.unacknowledged > streamWindow) {
      this.#resetStream(id, errorCode.flowControlError)
      return
    }
    if (stream.unacknowledged >= streamWindow / 2 && !last) {
      this.writer.windowUpdate(id, stream.unacknowledged)
      stream.unacknowledged = 0
    }
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
    if (flags & flag.endHeaders) {
      this.#fields(id, flags, bytes, start, end)
      return
    }
    this.#block = { stream: id, flags, pieces: [bytes.subarray(start, end)], size: end - start }
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

  /** A whole header block: a request, or its trailers. */
  #fields(id: number, flags: number, bytes: Buffer, start: number, end: number): void {
    const fields = this.#decoder.decode(bytes, start, end)
    const last = (flags & flag.endStream) !== 0
    const known = this.#streams.get(id)
    if (known) {
      if (known.remoteEnded) {
        this.#resetStream(id, errorCode.streamClosed)
        return
      }
      if (!last || !fields || !areTrailers(fields)) {
        this.#resetStream(id, errorCode.protocolError)
        return
      }
      known.endOfData()
      return
    }
    if (id <= this.#lastStream) {
      this.#closedStream(id)
      return
    }
    if (id > this.#lastServed) return
    this.#lastStream = id
    if (this.#streams.size >= maxConcurrentStreams) {
      this.writer.reset(id, errorCode.refusedStream)
      return
    }
    const request = fields && readRequest(fields)
    if (fields && !request) {
      this.writer.reset(id, errorCode.protocolError)
      return
    }
    const stream = new Stream(id, this, this.#options.maxMessageBytes)
    stream.remoteEnded = last
    this.#streams.set(id, stream)
    if (!request) {
      stream.fail(grpcStatus.resourceExhausted, 'the header fields are too large')
      return
    }
    if (!request.grpc) {
      stream.refuse(unsupportedMediaType)
      return
    }
    const method = this.#options.methods.get(request.path)
    if (!method) {
      stream.fail(grpcStatus.unimplemented, 'there is no such method')
      return
    }
    stream.open(method)
    if (last) stream.endOfData()
  }

  /** A frame for a stream that is over. It may have been sent before the client heard of the end. */
  #closedStream(id: number): void {
    if (this.#wasOpened(id)) this.#resetStream(id, errorCode.streamClosed)
  }

  /**
   * @returns false for a stream that we did not serve because we go away
   * @throws {ConnectionError} for one that the client did not open
   */
  #wasOpened(id: number): boolean {
    if (id > this.#lastStream && id <= this.#lastServed) throw protocolError('a frame for a stream that is not open')
    return id <= this.#lastStream
  }

  #resetStream(id: number, code: number): void {
    this.writer.reset(id, code)
    this.#streams.get(id)?.lost()
  }

  #rstStream(id: number, size: number): void {
    if (size !== 4) throw frameSizeError('RST_STREAM of a wrong size')
    if (id === 0) throw protocolError('RST_STREAM on the connection')
    if (this.#wasOpened(id)) this.#streams.get(id)?.lost()
  }

  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError('SETTINGS on a stream')
    if ((end - start) % 6 !== 0 || (flags & flag.ack && end > start)) throw frameSizeError('SETTINGS of a wrong size')
    this.#greeted = true
    if (flags & flag.ack) return
    this.#countIdleFrame()
    for (let at = start; at < end; at += 6) this.#setting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
    this.writer.settingsAck()
    this.writer.pump()
  }

  #setting(id: number, value: number): void {
    switch (id) {
      case setting.headerTableSize:
        if (value < defaultTableSize) this.writer.shrinkTable()
        return
      case setting.enablePush:
        if (value > 1) throw protocolError('ENABLE_PUSH that is not a truth value')
        return
      case setting.initialWindowSize: {
        if (value > maxWindow) throw new ConnectionError(errorCode.flowControlError, 'a window over the maximum')
        const change = value - this.writer.initialWindow
        this.writer.initialWindow = value
        for (const stream of this.#streams.values()) {
          stream.sendWindow += change
          if (stream.sendWindow > maxWindow)
            throw new ConnectionError(errorCode.flowControlError, 'a window over the maximum')
        }
        return
      }
      case setting.maxFrameSize:
        if (value < defaultMaxFrameSize || value > 0xff_ffff) throw protocolError('a frame size out of range')
        this.writer.maxFrameSize = value
        return
    }
  }

  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError('PING on a stream')
    if (end - start !== 8) throw frameSizeError('PING of a wrong size')
    if ((flags & flag.ack) === 0) {
      this.#countIdleFrame()
      this.writer.ping(flag.ack, bytes.subarray(start, end))
    } else if (goAwayPing.equals(bytes.subarray(start, end)) && this.#lastServed === largestStream) {
      this.#lastServed = this.#lastStream
      this.writer.goAway(this.#lastStream, errorCode.noError)
      if (this.#streams.size === 0) this.#end()
    }
  }

  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw frameSizeError('WINDOW_UPDATE of a wrong size')
    const increment = bytes.readUInt32BE(start) & maxWindow
    if (id === 0) {
      if (increment === 0) throw protocolError('an empty WINDOW_UPDATE')
      this.writer.window += increment
      if (this.writer.window > maxWindow)
        throw new ConnectionError(errorCode.flowControlError, 'a window over the maximum')
    } else {
      if (!this.#wasOpened(id)) return
      const stream = this.#streams.get(id)
      if (!stream) return
      if (increment === 0) {
        this.#resetStream(id, errorCode.protocolError)
        return
      }
      stream.sendWindow += increment
      if (stream.sendWindow > maxWindow) {
        this.#resetStream(id, errorCode.flowControlError)
        return
      }
    }
    this.writer.pump()
  }

  /** @throws {ConnectionError} where there are too many */
  #countIdleFrame(): void {
    const now = Date.now()
    if (now - this.#idleSince >= 1000) {
      this.#idleSince = now
      this.#idleFrames = 0
    }
    if (++this.#idleFrames > maxIdleFramesPerSecond)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'too many frames that bring nothing')
  }

  #fail(error: unknown): void {
    let code: number = errorCode.internalError
    if (error instanceof ConnectionError) code = error.code
    else if (error instanceof HpackError) code = errorCode.compressionError
    else this.report(error)
    this.writer.goAway(this.#lastStream, code, error instanceof Error ? error.message : '')
    this.#end()
    this.#lose()
  }

  /** Sends what is left and closes. */
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

function frameSizeError(message: string): ConnectionError {
  return new ConnectionError(errorCode.frameSizeError, message)
}
