import type { RuleFile } from '../config/load.ts'
import { hashOf, inOrder, metaOf, type Revision, type RevisionMeta, unfit } from './revision.ts'
import { type PublishOutcome, type RuleStore, StoreError, type Validate } from './rule-store.ts'

/** Rules in this process's memory. */
export class MemoryRuleStore implements RuleStore {
  readonly #revisions: Revision[] = []
  readonly #watchers = new Set<(head: RevisionMeta) => void>()
  readonly #validate: Validate
  readonly #now: () => number

  constructor(validate: Validate, now: () => number = Date.now) {
    this.#validate = validate
    this.#now = now
  }

  head(): Promise<RevisionMeta | undefined> {
    const last = this.#revisions.at(-1)
    return Promise.resolve(last && metaOf(last))
  }

  revision(number: number): Promise<Revision | undefined> {
    return Promise.resolve(this.#revisions[number - 1])
  }

  history({ before = Number.POSITIVE_INFINITY, limit = 20 } = {}): Promise<RevisionMeta[]> {
    const older = this.#revisions.filter(({ number }) => number < before)
    return Promise.resolve(older.slice(-Math.min(limit, 200)).reverse().map(metaOf))
  }

  async publish(
    files: readonly RuleFile[],
    { author, message, parent }: { author: string; message: string; parent: number },
  ): Promise<PublishOutcome> {
    const why = unfit(files)
    if (why !== undefined) throw new StoreError(`This cannot be published: ${why}.`)
    const diagnostics = this.#validate(files)
    if (diagnostics.length > 0) return { type: 'invalid', diagnostics }
    const head = this.#revisions.at(-1)
    const hash = hashOf(files)
    if (head?.hash === hash) return { type: 'unchanged', head: metaOf(head) }
    if ((head?.number ?? 0) !== parent) return { type: 'conflict', head: head && metaOf(head) }
    const revision = { number: parent + 1, hash, author, message, parent, time: this.#now(), files: inOrder(files) }
    this.#revisions.push(revision)
    for (const watcher of this.#watchers) queueMicrotask(() => watcher(metaOf(revision)))
    return { type: 'published', revision: metaOf(revision) }
  }

  watch(onHead: (head: RevisionMeta) => void): () => void {
    this.#watchers.add(onHead)
    return () => void this.#watchers.delete(onHead)
  }

  close(): Promise<void> {
    this.#watchers.clear()
    return Promise.resolve()
  }
}
