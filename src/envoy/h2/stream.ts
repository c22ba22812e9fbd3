import { errorCode } from './frame.ts'
import {
  answerHeaders,
  failureTrailers,
  grpcStatus,
  MessageError,
  MessageReader,
  messagePrefixLength,
  okTrailers,
} from './grpc.ts'
import { ReceiveWindow, streamWindow } from './limits.ts'
import { type WaitingStream, type Writer, writePrefix } from './writer.ts'

/** What a method can do with its call. After the end, whoever ended it, all of these do nothing. */
export interface GrpcCall {
  /**
   * Sends a message. Its bytes are not copied where the peer's window is full: they must not change.
   * @returns false where it has to wait; nothing is lost, but a source that can wait should until `drained`
   */
  write(message: Uint8Array): boolean
  /** Ends the call with status OK, after the messages before. */
  end(): void
  /** Ends the call with a status of failure. Messages that still wait are dropped. */
  fail(code: number, message: string): void
}

/** What a method wants to hear of its call. What it throws is reported, and the call fails with INTERNAL. */
export interface GrpcReceiver {
  /**
   * The client's next message. The bytes never change, so they may be kept; but they may be a view of a chunk of up to
   * 64 KiB, all of which stays in memory with them: copy small pieces that are kept for long.
   */
  message(bytes: Uint8Array): void
  /** The client sends no more. */
  end(): void
  /** The call was cut: reset, connection lost, or a message that could not be taken. Called once; never after `end` or `fail` of the call. */
  closed(): void
  /** Everything that waited has been sent. */
  drained?(): void
}

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly writer: Writer
  /** The stream is over. */
  forget(stream: Stream): void
  report(error: unknown): void
}

/** One gRPC call: the messages in, and the answer out as far as the peer's windows reach (RFC 9113, section 6.9). */
export class Stream implements GrpcCall, WaitingStream {
  readonly id: number
  /** How much the peer takes. */
  sendWindow: number
  readonly window = new ReceiveWindow(streamWindow)
  /** Whether the client has ended its side. */
  remoteEnded = false
  readonly #owner: StreamOwner
  readonly #writer: Writer
  readonly #messages: MessageReader
  #receiver: GrpcReceiver | undefined
  /** `ending`: ended by the method, while messages still wait. */
  #state: 'open' | 'ending' | 'over' = 'open'
  #answered = false
  /** Pieces that wait for windows, and how much of the first is gone. */
  #queue: Uint8Array[] = []
  #sent = 0
  #tellDrained = false

  constructor(id: number, owner: StreamOwner, maxMessageBytes: number) {
    this.id = id
    this.#owner = owner
    this.#writer = owner.writer
    this.sendWindow = owner.writer.initialWindow
    this.#messages = new MessageReader(maxMessageBytes)
  }

  /** Connects the method. What `open` throws fails the call. */
  open(open: (call: GrpcCall) => GrpcReceiver): void {
    try {
      this.#receiver = open(this)
    } catch (error) {
      this.#broken(error)
    }
  }

  write(message: Uint8Array): boolean {
    if (this.#state !== 'open') return false
    const writer = this.#writer
    if (!this.#answered) {
      this.#answered = true
      writer.headers(this.id, answerHeaders, false)
    }
    const size = messagePrefixLength + message.length
    if (
      this.#queue.length === 0 &&
      size <= this.sendWindow &&
      size <= writer.window &&
      size <= writer.maxFrameSize &&
      !writer.congested
    ) {
      this.sendWindow -= size
      writer.message(this.id, message)
      return true
    }
    const prefix = Buffer.allocUnsafe(messagePrefixLength)
    writePrefix(prefix, 0, message.length)
    this.#queue.push(prefix)
    if (message.length > 0) this.#queue.push(message)
    writer.waiting.add(this)
    while (this.sendNext());
    this.#tellDrained = this.#queue.length > 0
    return !this.#tellDrained
  }

  end(): void {
    if (this.#state !== 'open') return
    if (this.#queue.length === 0) this.#finish(okTrailers)
    else this.#state = 'ending'
  }

  fail(code: number, message: string): void {
    if (this.#state === 'open') this.#finish(failureTrailers(code, message))
  }

  /** Answers what is not a gRPC call. */
  refuse(headers: Buffer): void {
    this.#answered = true
    this.#finish(headers)
  }

  sendNext(): boolean {
    const piece = this.#queue[0]
    if (!piece) return false
    const writer = this.#writer
    const count = Math.min(piece.length - this.#sent, this.sendWindow, writer.window, writer.maxFrameSize)
    if (count <= 0 || writer.congested) return false
    this.sendWindow -= count
    writer.data(this.id, piece, this.#sent, this.#sent + count)
    this.#sent += count
    if (this.#sent < piece.length) return true
    this.#queue.shift()
    this.#sent = 0
    if (this.#queue.length > 0) return true
    writer.waiting.delete(this)
    if (this.#state === 'ending') this.#finish(okTrailers)
    else if (this.#tellDrained) {
      this.#tellDrained = false
      this.#guard(() => this.#receiver?.drained?.())
    }
    return true
  }

  /** Takes the payload of a DATA frame. */
  data(bytes: Buffer, start: number, end: number): void {
    if (this.#state !== 'open') return
    try {
      this.#messages.feed(bytes, start, end)
      for (let message = this.#messages.next(); message; message = this.#messages.next()) {
        this.#receiver?.message(message)
        // The method may have ended the call.
        if (this.#state !== 'open') return
      }
    } catch (error) {
      if (error instanceof MessageError) this.#abort(error.code, error.message)
      else this.#broken(error)
    }
  }

  /** The client has ended its side. */
  endOfData(): void {
    this.remoteEnded = true
    if (this.#state !== 'open') return
    if (this.#messages.incomplete) this.#abort(grpcStatus.internal, 'the call ended within a message')
    else this.#guard(() => this.#receiver?.end())
  }

  /** The client has reset the stream, or the connection is gone. Nothing is sent any more. */
  lost(): void {
    const open = this.#state === 'open'
    this.#close()
    if (open) this.#tellClosed()
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#broken(error)
    }
  }

  #broken(error: unknown): void {
    this.#owner.report(error)
    this.#abort(grpcStatus.internal, 'the method failed')
  }

  #abort(code: number, message: string): void {
    if (this.#state !== 'open') return
    this.#finish(failureTrailers(code, message))
    this.#tellClosed()
  }

  #tellClosed(): void {
    try {
      this.#receiver?.closed()
    } catch (error) {
      this.#owner.report(error)
    }
  }

  #finish(trailers: Buffer): void {
    this.#writer.headers(this.id, this.#answered ? trailers : Buffer.concat([answerHeaders, trailers]), true)
    // Section 8.1: an answer that is complete before its request asks for the rest not to be sent.
    if (!this.remoteEnded) this.#writer.reset(this.id, errorCode.noError)
    this.#close()
  }

  #close(): void {
    this.#state = 'over'
    this.#queue = []
    this.#writer.waiting.delete(this)
    this.#owner.forget(this)
  }
}
