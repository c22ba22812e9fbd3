/** Why a key store did not do what it was asked. The message is for the one who asked. */
export type KeyStoreErrorCode =
  /** There is no such key. */
  | 'not_found'
  /** The request itself cannot be granted. */
  | 'invalid'
  /** The key is revoked, which is for good. */
  | 'revoked'
  /** Others kept changing the same key at the same time. */
  | 'conflict'
  /** The store cannot be reached or read now. */
  | 'unavailable'

export class KeyStoreError extends Error {
  override readonly name = 'KeyStoreError'
  readonly code: KeyStoreErrorCode

  constructor(code: KeyStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
