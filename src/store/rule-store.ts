import type { Diagnostic, RuleFile } from '../config/load.ts'
import type { Revision, RevisionMeta } from './revision.ts'

/** Where rules are kept: a line of revisions, the last of which is the head. */
export interface RuleStore {
  /** @returns undefined where nothing was published yet. @throws {StoreError} */
  head(): Promise<RevisionMeta | undefined>
  /**
   * @returns undefined where there is no such revision
   * @throws {StoreError}
   * @throws {CorruptRevisionError} where it is damaged
   */
  revision(number: number): Promise<Revision | undefined>
  /**
   * @param options.before only revisions with smaller numbers
   * @returns the newest first, at most `limit` (default 20, at most 200)
   * @throws {StoreError}
   */
  history(options?: { before?: number; limit?: number }): Promise<RevisionMeta[]>
  /**
   * Makes a new head, if the head is still the one that the author has seen.
   * @param parent number of that head; 0: none
   * @throws {StoreError}
   */
  publish(files: readonly RuleFile[], by: { author: string; message: string; parent: number }): Promise<PublishOutcome>
  /**
   * Tells of each new head, also of those that others publish; some in between may be left out.
   * @returns what ends the watch
   */
  watch(onHead: (head: RevisionMeta) => void): () => void
  close(): Promise<void>
}

export type PublishOutcome =
  | { type: 'published'; revision: RevisionMeta }
  /** Somebody else has published meanwhile. */
  | { type: 'conflict'; head: RevisionMeta | undefined }
  /** The head has this very content. */
  | { type: 'unchanged'; head: RevisionMeta }
  | { type: 'invalid'; diagnostics: Diagnostic[] }

/** Looks whether files can be put into force. @returns what is wrong with them */
export type Validate = (files: readonly RuleFile[]) => Diagnostic[]

/** The store cannot be asked, or will not take what it is given. The message is for the operator and holds no secret. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}
