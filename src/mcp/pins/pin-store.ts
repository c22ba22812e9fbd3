import type { Approval, Approver, Pin, ServerPins, Sighting } from './server-pins.ts'

/** The pins as the hot path sees them: in memory, always current, never waiting. */
export interface PinDirectory {
  /** The pins of a server: the same object until they change. */
  pins(server: string): ServerPins
}

/** Where approved definitions of tools are kept, and those that wait to be. */
export interface PinStore extends PinDirectory {
  /**
   * All servers of which anything is known, by name.
   * @throws {PinStoreError} `unavailable`
   */
  list(): Promise<readonly ServerPins[]>
  /**
   * Approves definitions that wait: all of them or none.
   * @returns the pins that were made
   * @throws {PinStoreError} `not_found`, `conflict` where another definition waits by now, `invalid`, `unavailable`
   */
  approve(server: string, wanted: readonly Approval[], approver: Approver): Promise<readonly Pin[]>
  /**
   * Takes approvals back: all of them or none.
   * @throws {PinStoreError} `not_found`, `conflict`, `unavailable`
   */
  revoke(server: string, tools: readonly string[]): Promise<void>
  /**
   * Takes note of what was seen in a server's list.
   * @throws {PinStoreError} `conflict`, `unavailable`
   */
  see(server: string, sightings: readonly Sighting[]): Promise<void>
  /**
   * @param onChange told the servers of which other definitions are approved than before, here or elsewhere, once `pins` shows it:
   *   their lists of tools have changed
   * @returns what ends the watch
   */
  watch(onChange: (servers: readonly string[]) => void): () => void
  /** Ends its watching and waits until what it was writing is written. */
  close(): Promise<void>
}
