import { type PinEdit, TablePinStore } from './table-pin-store.ts'

/** Pins for as long as the process lives: for tests and demonstrations. */
export class MemoryPinStore extends TablePinStore {
  protected async change(server: string, edit: PinEdit): Promise<void> {
    const after = edit(this.pins(server))
    if (after) this.put([after])
  }

  protected refresh(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
