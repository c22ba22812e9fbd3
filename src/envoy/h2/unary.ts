import { grpcStatus } from './grpc.ts'
import type { GrpcCall, GrpcReceiver } from './stream.ts'

/** A call of one message and one answer. */
export class UnaryReceiver implements GrpcReceiver {
  readonly #call: GrpcCall
  readonly #handle: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>
  readonly #report: (error: unknown) => void
  #message: Uint8Array | undefined

  constructor(
    call: GrpcCall,
    handle: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>,
    report: (error: unknown) => void,
  ) {
    this.#call = call
    this.#handle = handle
    this.#report = report
  }

  message(bytes: Uint8Array): void {
    if (this.#message) this.#call.fail(grpcStatus.unimplemented, 'more than one message')
    this.#message = bytes
  }

  end(): void {
    if (!this.#message) {
      this.#call.fail(grpcStatus.unimplemented, 'no message')
      return
    }
    const answer = this.#handle(this.#message)
    if (answer instanceof Promise)
      answer.then(
        (bytes) => this.#answer(bytes),
        (error) => {
          this.#report(error)
          this.#call.fail(grpcStatus.internal, 'the method failed')
        },
      )
    else this.#answer(answer)
  }

  closed(): void {
    // An answer that is still to come goes nowhere.
  }

  #answer(bytes: Uint8Array): void {
    this.#call.write(bytes)
    this.#call.end()
  }
}
