import { ConnectionError, errorCode } from './frame.ts'

/** What a client may do to one connection. */

export const maxConcurrentStreams = 65_536
/** Of a request's header fields, coded or not, in bytes. */
export const maxHeaderListSize = 65_536
/** Frames that one header block may be cut into. */
export const maxHeaderFrames = 64
/** Frames a second that want an answer, or work, and bring nothing. */
export const maxIdleFramesPerSecond = 10_000

/**
 * Bytes under way before the client hears of more. Nothing received is left unread, so these hold nobody back. What all
 * streams have under way stays below Envoy's buffer limit of a connection (1 MiB unless configured): Envoy 1.40 dies by a
 * null pointer when a check ends and the attempt's stream opens on a connection that is over it.
 */
export const streamWindow = 256 * 1024
export const connectionWindow = 512 * 1024

/** A window that we give (RFC 9113, section 6.9), opened again in large steps. */
export class ReceiveWindow {
  readonly #size: number
  #used = 0

  constructor(size: number) {
    this.#size = size
  }

  /** @returns by how much to open the window, 0 for not now, or -1 where the client sent more than it may */
  take(bytes: number): number {
    this.#used += bytes
    if (this.#used > this.#size) return -1
    if (this.#used < this.#size / 2) return 0
    const used = this.#used
    this.#used = 0
    return used
  }
}

/** Counts frames that bring nothing. */
export class IdleFrames {
  #count = 0
  #since = 0

  /** @throws {ConnectionError} where there are too many */
  add(): void {
    const now = Date.now()
    if (now - this.#since >= 1000) {
      this.#since = now
      this.#count = 0
    }
    if (++this.#count > maxIdleFramesPerSecond)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'too many frames that bring nothing')
  }
}
