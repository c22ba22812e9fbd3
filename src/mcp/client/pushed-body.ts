/** A body whose pieces are pushed by one side and read by the other. */
export class PushedBody implements AsyncIterable<Uint8Array> {
  readonly #pieces: Uint8Array[] = []
  #ended = false
  #failure: { error: unknown } | undefined
  #destroyed = false
  /** A reader that waits for a piece. */
  #reader: (() => void) | undefined
  #idle: (() => void) | undefined

  push(piece: Uint8Array): void {
    if (this.#destroyed || this.#ended || this.#failure) return
    this.#pieces.push(piece)
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** The rest does not come. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#failure ??= { error }
    this.#wake()
  }

  /** Nobody reads on. */
  destroy(): void {
    this.#destroyed = true
    this.#pieces.length = 0
  }

  /** Calls back, once, when all that was pushed has been looked at and the reader waits for more. */
  whenIdle(callback: () => void): void {
    if (this.#reader && this.#pieces.length === 0) callback()
    else this.#idle = callback
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#pieces.shift()
        if (piece) yield piece
        else if (this.#failure) throw this.#failure.error
        else if (this.#ended || this.#destroyed) return
        else
          await new Promise<void>((resolve) => {
            this.#reader = resolve
            const idle = this.#idle
            this.#idle = undefined
            idle?.()
          })
      }
    } finally {
      this.destroy()
    }
  }

  #wake(): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.()
  }
}
