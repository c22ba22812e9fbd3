/** Why a store of pins did not do what it was asked. The message is for the one who asked. */
export type PinStoreErrorCode =
  /** There is no such tool waiting, or approved. */
  | 'not_found'
  /** The request itself cannot be granted. */
  | 'invalid'
  /** What waits is another than the one that was to be approved, or others kept changing the same server’s pins. */
  | 'conflict'
  /** The store cannot be reached or read now. */
  | 'unavailable'

export class PinStoreError extends Error {
  override readonly name = 'PinStoreError'
  readonly code: PinStoreErrorCode

  constructor(code: PinStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
