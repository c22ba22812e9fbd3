/** What the guards that apply to one request do with its texts. */
export interface GuardSession {
  /** Whether any of them looks at prompts. */
  readonly onRequest: boolean
  /** Whether any of them looks at completions, or restores in them what was masked. */
  readonly onResponse: boolean
  /** What was found so far, a kind once: `guards.private mask EMAIL`. */
  readonly findings: Iterable<string>
  /**
   * Looks at the texts of a request.
   * @returns the texts as they may go on, in the same order
   * @throws {GuardDenied} (or rejects with it) where one of them may not
   */
  request(texts: readonly string[]): readonly string[] | Promise<readonly string[]>
  /** The same for the texts of a whole answer. */
  response(texts: readonly string[]): readonly string[] | Promise<readonly string[]>
  /** For one text of a streamed answer. */
  stream(): GuardedText
}

/** A text that comes in pieces. What may still become part of a finding is held back: a bounded window. */
export interface GuardedText {
  /** @returns what may go on now. @throws {GuardDenied} (or rejects with it) */
  push(piece: string): string | Promise<string>
  /** @returns the rest. @throws {GuardDenied} (or rejects with it) */
  end(): string | Promise<string>
}

/** A guard does not let a text pass. */
export class GuardDenied extends Error {
  override readonly name = 'GuardDenied'
  /** The guard's name in the rules. */
  readonly guard: string

  /** @param message for the caller: what was found (its kind, never the text itself), and what to do */
  constructor(guard: string, message: string) {
    super(message)
    this.guard = guard
  }
}
