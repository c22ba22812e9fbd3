/**
 * Where what users authorized is kept: sealed texts by keys, each with an end. A store sees neither tokens nor names; keys are
 * hashes, and values are opened by nobody who lacks the keys of `mcp.sessions.keys`.
 *
 * `add` and `delete` with a value are atomic over all processes that share the store: locks and single use are made of them.
 */
export interface TokenStore {
  /** @returns undefined where there is nothing, or its time is over */
  get(key: string): Promise<string | undefined>
  /** @param untilMs when it ends, Unix milliseconds */
  set(key: string, value: string, untilMs: number): Promise<void>
  /** Sets what is not there yet. @returns whether it was not */
  add(key: string, value: string, untilMs: number): Promise<boolean>
  /** @param value what it must be; undefined: whatever it is. @returns whether it was there, and that */
  delete(key: string, value?: string): Promise<boolean>
  close(): Promise<void>
}

/** The store cannot be asked. The message is for the operator. */
export class TokenStoreError extends Error {
  override readonly name = 'TokenStoreError'
}

/** The longest key and value, characters; all that is kept is made here and shorter. */
export const longestKey = 200
export const longestValue = 128 * 1024
