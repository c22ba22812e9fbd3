import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { RuleFile } from '../config/load.ts'
import { isRuleFile, readRuleFiles, writeWhole } from './files.ts'
import { hashOf, inOrder, metaOf, parseRevision, type Revision, type RevisionMeta, unfit } from './revision.ts'
import { type PublishOutcome, type RuleStore, StoreError, type Validate } from './rule-store.ts'

const pollMs = 200

/**
 * Rules in a file or a directory of them: the default for one machine. What stands there is the head, whoever wrote it: an edit
 * by hand becomes a revision when it is first seen. The revisions are kept in `.chaperone-history` beside it.
 */
export class FileRuleStore implements RuleStore {
  readonly #path: string
  readonly #history: string
  readonly #validate: Validate
  readonly #timers = new Set<NodeJS.Timeout>()

  /** @param path a file, or a directory; it need not exist yet (then it is a file) */
  constructor(path: string, validate: Validate) {
    this.#path = path
    this.#history = join(dirname(path), '.chaperone-history', basename(path))
    this.#validate = validate
  }

  async head(): Promise<RevisionMeta | undefined> {
    const head = this.#head()
    return head && metaOf(head)
  }

  async revision(number: number): Promise<Revision | undefined> {
    this.#head()
    return this.#stored(number)
  }

  async history({ before = Number.POSITIVE_INFINITY, limit = 20 } = {}): Promise<RevisionMeta[]> {
    this.#head()
    return this.#numbers()
      .filter((number) => number < before)
      .slice(0, Math.min(limit, 200))
      .map((number) => metaOf(this.#stored(number)!))
  }

  async publish(
    files: readonly RuleFile[],
    { author, message, parent }: { author: string; message: string; parent: number },
  ): Promise<PublishOutcome> {
    const why = unfit(files)
    if (why !== undefined) throw new StoreError(`This cannot be published: ${why}.`)
    const diagnostics = this.#validate(files)
    if (diagnostics.length > 0) return { type: 'invalid', diagnostics }
    const head = this.#head()
    if (head?.hash === hashOf(this.#named(files))) return { type: 'unchanged', head: metaOf(head) }
    if ((head?.number ?? 0) !== parent) return { type: 'conflict', head: head && metaOf(head) }
    try {
      this.#replace(files)
      const revision = this.#record(this.#named(files), author, message, parent)
      return { type: 'published', revision: metaOf(revision) }
    } catch (cause) {
      throw new StoreError(`The rules cannot be written: ${(cause as Error).message}`, { cause })
    }
  }

  watch(onHead: (head: RevisionMeta) => void): () => void {
    let known: string | undefined
    const look = () => {
      try {
        const head = this.#head()
        if (!head || head.hash === known) return
        known = head.hash
        onHead(metaOf(head))
      } catch {
        // A file that is away or half written is looked at again.
      }
    }
    const timer = setInterval(look, pollMs)
    this.#timers.add(timer)
    queueMicrotask(look)
    return () => {
      clearInterval(timer)
      this.#timers.delete(timer)
    }
  }

  close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    return Promise.resolve()
  }

  /** A single file has its own name, whatever it was called where it was published from. */
  #named(files: readonly RuleFile[]): RuleFile[] {
    const directory = existsSync(this.#path) && statSync(this.#path).isDirectory()
    if (directory || files.length > 1) return inOrder(files)
    return [{ name: basename(this.#path), text: files[0]!.text }]
  }

  #head(): Revision | undefined {
    if (!existsSync(this.#path)) return undefined
    let files: RuleFile[]
    try {
      files = readRuleFiles(this.#path)
    } catch (cause) {
      throw new StoreError(`The rules cannot be read: ${(cause as Error).message}`, { cause })
    }
    if (files.length === 0) return undefined
    const [last] = this.#numbers()
    const stored = last === undefined ? undefined : this.#stored(last)
    if (stored && stored.hash === hashOf(files)) return stored
    return this.#record(files, '', 'edited in place', last ?? 0)
  }

  #record(files: readonly RuleFile[], author: string, message: string, parent: number): Revision {
    const revision: Revision = {
      number: parent + 1,
      hash: hashOf(files),
      author,
      message,
      parent,
      time: Date.now(),
      files: inOrder(files),
    }
    writeWhole(join(this.#history, `${revision.number}.json`), JSON.stringify(revision), 0o600)
    return revision
  }

  /** The newest first. */
  #numbers(): number[] {
    if (!existsSync(this.#history)) return []
    return readdirSync(this.#history)
      .flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a)
  }

  #stored(number: number): Revision | undefined {
    const path = join(this.#history, `${number}.json`)
    return existsSync(path) ? parseRevision(readFileSync(path, 'utf8'), `Revision ${number}`) : undefined
  }

  #replace(files: readonly RuleFile[]): void {
    const directory = existsSync(this.#path) && statSync(this.#path).isDirectory()
    if (!directory && files.length > 1)
      throw new Error(`${this.#path} is one file, and these rules are several. Name a directory.`)
    if (!directory) {
      writeWhole(this.#path, files[0]!.text)
      return
    }
    for (const { name, text } of files) {
      if (!isRuleFile(name) || name !== basename(name)) throw new Error(`${name} is no name of a file of rules`)
      writeWhole(join(this.#path, name), text)
    }
    const names = new Set(files.map(({ name }) => name))
    for (const name of readdirSync(this.#path)) if (isRuleFile(name) && !names.has(name)) rmSync(join(this.#path, name))
  }
}
