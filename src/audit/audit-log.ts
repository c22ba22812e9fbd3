/** A change of what the gateway obeys, or a try that failed. Free of secrets. */
export interface Change {
  /** Unix milliseconds. */
  readonly time: number
  /** A key's id and name, `root`, or the user of the machine that the command line ran on. */
  readonly operator: string
  /** The operator's in the management API; undefined: the command line, whose right is that to the store itself. */
  readonly role?: string | undefined
  /** `publish`, `rollback`, `create_key`, `revoke_key`, `rotate_key`. */
  readonly action: string
  /** A revision's number, a key's id. */
  readonly subject: string
  /** `done`, or why not. */
  readonly outcome: string
}

/** Who changed what. It is only added to. */
export interface AuditLog {
  /** Rejects where it cannot be written: the change itself has been made by then. */
  add(change: Change): Promise<void>
  /** @param options.action only changes of this kind. @returns the newest first */
  list(options: { limit: number; action?: string | undefined }): Promise<Change[]>
}

const longest = 300

/** A change as it is written: bounded, and one line of JSON. */
export function changeLine({ time, operator, role, action, subject, outcome }: Change): string {
  const cut = (text: string) => text.slice(0, longest)
  return JSON.stringify({ time, operator: cut(operator), role, action, subject: cut(subject), outcome: cut(outcome) })
}

/** @returns undefined for what is none, such as a line that a crash cut off */
export function readChange(line: string): Change | undefined {
  try {
    const change = JSON.parse(line) as Change | null
    const texts = [change?.operator, change?.action, change?.subject, change?.outcome]
    return change && typeof change.time === 'number' && texts.every((text) => typeof text === 'string')
      ? change
      : undefined
  } catch {
    return undefined
  }
}
