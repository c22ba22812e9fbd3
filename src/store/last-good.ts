import { existsSync, readFileSync } from 'node:fs'
import { writeWhole } from './files.ts'
import { parseRevision, type Revision } from './revision.ts'

/** The last revision that was put into force, on disk: for a start while the store cannot be asked. */
export class LastGood {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /**
   * @returns undefined where there is none
   * @throws {CorruptRevisionError} where the file is damaged
   */
  read(): Revision | undefined {
    if (!existsSync(this.#path)) return undefined
    return parseRevision(readFileSync(this.#path, 'utf8'), `${this.#path}`)
  }

  /** @throws {Error} where it cannot be written */
  write(revision: Revision): void {
    writeWhole(this.#path, JSON.stringify(revision), 0o600)
  }
}
