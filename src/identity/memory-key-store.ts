import type { StoredKey } from './key-record.ts'
import { TableKeyStore } from './table-key-store.ts'

/** Keys for as long as the process lives: for tests and demonstrations. */
export class MemoryKeyStore extends TableKeyStore {
  /** @param now the time, in Unix milliseconds */
  constructor(now?: () => number) {
    super(now)
    this.table.replace([])
  }

  protected insert(key: StoredKey): Promise<boolean> {
    const free = this.table.get(key.id) === undefined
    if (free) this.table.put([key])
    return Promise.resolve(free)
  }

  protected async update(id: string, change: (key: StoredKey) => StoredKey): Promise<boolean> {
    const key = this.table.get(id)
    if (key) this.table.put([change(key)])
    return key !== undefined
  }

  protected refresh(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
