import { statSync } from 'node:fs'
import { manifestFiles, readManifests } from './files.ts'
import type { KubeObject } from './object.ts'
import type { StatusUpdate } from './statuses.ts'

/** Where objects come from. */
export interface ObjectSource {
  readonly place: 'files' | 'cluster'
  /**
   * Begins to look for objects.
   * @param changed told after each change; not before the first objects are all there
   */
  start(changed: () => void): Promise<void>
  /** The objects as they are now. */
  objects(): Iterable<KubeObject>
  /** Writes what is to stand in statuses; where there is nowhere to write them, nothing. */
  write(updates: readonly StatusUpdate[]): void
  stop(): Promise<void>
}

const lookMs = 300

/** Objects of files and directories, which are looked at several times a second. */
export class FileObjects implements ObjectSource {
  readonly place = 'files'
  readonly #paths: readonly string[]
  readonly #report: (message: string) => void
  #objects: readonly KubeObject[] = []
  #mark = ''
  #pending: string | undefined
  #reported = ''
  #timer: NodeJS.Timeout | undefined

  /** @param report told of what cannot be read, once a change */
  constructor(paths: readonly string[], report: (message: string) => void) {
    this.#paths = paths
    this.#report = report
  }

  /** @throws {Error} where a path cannot be read */
  async start(changed: () => void): Promise<void> {
    const files = manifestFiles(this.#paths)
    this.#mark = markOf(files)
    this.#read(files)
    this.#timer = setInterval(() => {
      try {
        const now = manifestFiles(this.#paths)
        const mark = markOf(now)
        if (mark === this.#mark) return
        // Twice the same: nobody is writing any more.
        if (mark !== this.#pending) {
          this.#pending = mark
          return
        }
        this.#mark = mark
        this.#read(now)
        changed()
      } catch {
        // What is away is about to come back, or what it said stays in force.
      }
    }, lookMs)
  }

  objects(): Iterable<KubeObject> {
    return this.#objects
  }

  write(): void {}

  async stop(): Promise<void> {
    clearInterval(this.#timer)
  }

  #read(files: readonly string[]): void {
    const { objects, problems } = readManifests(files)
    this.#objects = objects
    const text = problems.join('\n')
    if (text !== this.#reported) for (const problem of problems) this.#report(problem)
    this.#reported = text
  }
}

function markOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const { ino, size, mtimeNs } = statSync(file, { bigint: true })
      return `${file} ${ino} ${size} ${mtimeNs}`
    })
    .join('\n')
}
