import { existsSync, readFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { type AuditLog, type Change, changeLine, readChange } from './audit-log.ts'

/** @returns where the changes of a file of keys are: beside it */
export function auditFile(keysFile: string): string {
  return `${keysFile.replace(/\.json$/, '')}.audit.jsonl`
}

/** Changes on one machine: lines of JSON in a private file. */
export class FileAuditLog implements AuditLog {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async add(change: Change): Promise<void> {
    await appendFile(this.#path, `${changeLine(change)}\n`, { mode: 0o600 })
  }

  async list({ limit, action }: { limit: number; action?: string | undefined }): Promise<Change[]> {
    if (!existsSync(this.#path)) return []
    return readFileSync(this.#path, 'utf8')
      .split('\n')
      .flatMap((line) => readChange(line) ?? [])
      .filter((change) => action === undefined || change.action === action)
      .slice(-limit)
      .reverse()
  }
}
