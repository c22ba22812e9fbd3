import type { PinStore } from './pin-store.ts'
import {
  type Approval,
  type Approver,
  approve,
  noPins,
  type Pin,
  revoke,
  type ServerPins,
  type Sighting,
  sameApproved,
  seen,
} from './server-pins.ts'

/** What becomes of a server's pins; undefined: they stay as they are. */
export type PinEdit = (pins: ServerPins) => ServerPins | undefined

/** What the stores of pins have in common: pins are in a table in memory; the stores differ in what stands behind it. */
export abstract class TablePinStore implements PinStore {
  #table: ReadonlyMap<string, ServerPins> = new Map()
  readonly #none = new Map<string, ServerPins>()
  readonly #watchers = new Set<(servers: readonly string[]) => void>()
  readonly #now: () => number

  /** @param now the time, in Unix milliseconds */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /**
   * Replaces a server's pins by what `edit` makes of them, with no other change in between, and has them in the table when
   * it is done. `edit` may be called again; what it throws is thrown.
   */
  protected abstract change(server: string, edit: PinEdit): Promise<void>

  /** Brings the table up to date. */
  protected abstract refresh(): Promise<void>

  abstract close(): Promise<void>

  protected get table(): ReadonlyMap<string, ServerPins> {
    return this.#table
  }

  /** Shows these pins and no others from now on. */
  protected replace(all: Iterable<ServerPins>): void {
    const before = this.#table
    const after = new Map(Array.from(all, (pins) => [pins.server, pins] as const))
    this.#table = after
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
      (server) => !sameApproved(before.get(server), after.get(server)),
    )
    if (changed.length > 0) for (const watcher of this.#watchers) watcher(changed)
  }

  /** Shows these pins instead of those that were known of the same servers. */
  protected put(some: readonly ServerPins[]): void {
    const all = new Map(this.#table)
    for (const pins of some) all.set(pins.server, pins)
    this.replace(all.values())
  }

  pins(server: string): ServerPins {
    const known = this.#table.get(server) ?? this.#none.get(server)
    if (known) return known
    const none = noPins(server)
    // Names of servers are the rules': there are few.
    this.#none.set(server, none)
    return none
  }

  async list(): Promise<readonly ServerPins[]> {
    await this.refresh()
    return [...this.#table.values()]
      .filter(({ approved, waiting }) => approved.size + waiting.size > 0)
      .sort((a, b) => (a.server < b.server ? -1 : 1))
  }

  async approve(server: string, wanted: readonly Approval[], approver: Approver): Promise<readonly Pin[]> {
    let made: Pin[] = []
    await this.change(server, (pins) => {
      const after = approve(pins, wanted, approver, this.#now())
      made = wanted.map(({ tool }) => after.approved.get(tool)!)
      return after
    })
    return made
  }

  revoke(server: string, tools: readonly string[]): Promise<void> {
    return this.change(server, (pins) => revoke(pins, tools, this.#now()))
  }

  see(server: string, sightings: readonly Sighting[]): Promise<void> {
    return this.change(server, (pins) => seen(pins, sightings, this.#now()))
  }

  watch(onChange: (servers: readonly string[]) => void): () => void {
    // One watcher more for each call, even where the function is the same.
    const watcher = (servers: readonly string[]) => onChange(servers)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }
}
