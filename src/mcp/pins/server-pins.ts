import type { Tool } from '../protocol.ts'
import { PinStoreError } from './pin-store-error.ts'
import { asciiText } from './safe-text.ts'

/** What is known of one server's tools, and how it changes: pure, whatever store keeps it. */

/** A definition that an operator approved. */
export interface Pin {
  readonly tool: string
  /** As of digest.ts. */
  readonly digest: string
  readonly definition: Tool
  readonly approvedBy: string
  /** Unix milliseconds. */
  readonly approvedAt: number
  /** Why, in the operator's words. */
  readonly message?: string | undefined
  /** Since when the server's lists were without it, in Unix milliseconds; undefined: it is there. */
  readonly missingSince?: number | undefined
}

/** A definition that was seen and is not the approved one. */
export interface Waiting {
  readonly tool: string
  /** Empty where the definition is too long or too deep to be pinned. */
  readonly digest: string
  /** Undefined where it is too long or too deep: it can be shown to nobody and is never approved. */
  readonly definition?: Tool | undefined
  /** Unix milliseconds. */
  readonly firstSeenAt: number
  /** Unix milliseconds, on five minutes. */
  readonly lastSeenAt: number
}

/** The pins of one server, by the names of its tools. */
export interface ServerPins {
  readonly server: string
  readonly approved: ReadonlyMap<string, Pin>
  readonly waiting: ReadonlyMap<string, Waiting>
}

/** What the gateway saw in a server's list. */
export type Sighting =
  /** A definition that is not the approved one. */
  | { readonly type: 'waiting'; readonly tool: string; readonly digest: string; readonly definition?: Tool | undefined }
  /** The approved definition, where another was waiting or the tool was missing. */
  | { readonly type: 'approved'; readonly tool: string; readonly digest: string }
  /** An approved tool that the list was without. */
  | { readonly type: 'missing'; readonly tool: string }

/** What an operator approves: this definition and no other. */
export interface Approval {
  readonly tool: string
  readonly digest: string
}

/** Who approves, and why. */
export interface Approver {
  readonly by: string
  readonly message?: string | undefined
}

/** Tools of one server that may wait, and that may be approved. */
export const mostTools = 2000
/** Characters of all definitions of a server that wait, and that are approved. */
const mostWaitingCharacters = 4 * 1024 * 1024
const mostApprovedCharacters = 8 * 1024 * 1024
const longestName = 500
const longestWord = 1000

/** That a definition is still seen is written down this often. */
export const refreshMs = 5 * 60_000
/** A definition that was not seen for this long while the approved one was no longer waits. */
export const settledMs = 10 * 60_000
/** A definition that nobody has seen for this long no longer waits. */
export const forgottenMs = 7 * 24 * 60 * 60_000

export function noPins(server: string): ServerPins {
  return { server, approved: new Map(), waiting: new Map() }
}

/**
 * Takes note of what was seen. Bounded: of each tool the last definition waits, of a server 2,000 tools and 4 Mi characters.
 * @param nowMs Unix milliseconds
 * @returns undefined where nothing changes
 */
export function seen(pins: ServerPins, sightings: readonly Sighting[], nowMs: number): ServerPins | undefined {
  const approved = new Map(pins.approved)
  const waiting = new Map(pins.waiting)
  let changed = false
  for (const [tool, { lastSeenAt }] of waiting)
    if (nowMs - lastSeenAt > forgottenMs) changed = waiting.delete(tool) || changed
  let room = mostWaitingCharacters
  for (const each of waiting.values()) room -= sizeOf(each)
  for (const sighting of sightings) {
    const { tool } = sighting
    const pin = approved.get(tool)
    const before = waiting.get(tool)
    if (sighting.type === 'missing') {
      if (!pin || pin.missingSince !== undefined) continue
      approved.set(tool, { ...pin, missingSince: nowMs })
      changed = true
      continue
    }
    if (pin?.missingSince !== undefined) {
      approved.set(tool, present(pin))
      changed = true
    }
    if (sighting.type === 'approved') {
      if (!before || pin?.digest !== sighting.digest || nowMs - before.lastSeenAt < settledMs) continue
      waiting.delete(tool)
      changed = true
      continue
    }
    const { digest, definition } = sighting
    // Approved meanwhile, or too long a name to be approved at all.
    if (pin?.digest === digest || tool.length > longestName) continue
    if (before?.digest === digest) {
      if (nowMs - before.lastSeenAt < refreshMs) continue
      waiting.set(tool, { ...before, lastSeenAt: nowMs })
    } else {
      const next: Waiting = { tool, digest, definition, firstSeenAt: nowMs, lastSeenAt: nowMs }
      const left = room + (before ? sizeOf(before) : 0) - sizeOf(next)
      if (left < 0 || (!before && waiting.size >= mostTools)) continue
      room = left
      waiting.set(tool, next)
    }
    changed = true
  }
  return changed ? { ...pins, approved, waiting } : undefined
}

/**
 * Approves what waits.
 * @throws {PinStoreError} `not_found`, `conflict` where another definition waits by now, `invalid`
 */
export function approve(pins: ServerPins, wanted: readonly Approval[], approver: Approver, nowMs: number): ServerPins {
  const approved = new Map(pins.approved)
  const waiting = new Map(pins.waiting)
  for (const { tool, digest } of wanted) {
    const found = waiting.get(tool)
    if (!found) {
      if (approved.get(tool)?.digest === digest) continue
      throw nothingOf(tool, 'waits')
    }
    if (found.digest !== digest)
      throw new PinStoreError(
        'conflict',
        `The tool ${shown(tool)} has changed since it was looked at. Look again: chaperone mcp diff ${pins.server}.`,
      )
    if (!found.definition)
      throw new PinStoreError('invalid', `The tool ${shown(tool)} is too long or too deep to be pinned.`)
    waiting.delete(tool)
    const { by, message } = approver
    approved.set(tool, {
      tool,
      digest,
      definition: found.definition,
      approvedBy: by.slice(0, longestWord),
      approvedAt: nowMs,
      ...(message !== undefined && message !== '' && { message: message.slice(0, longestWord) }),
    })
  }
  let characters = 0
  for (const pin of approved.values()) characters += sizeOf(pin)
  if (approved.size > mostTools || characters > mostApprovedCharacters)
    throw new PinStoreError(
      'invalid',
      `Of one server ${mostTools} tools at most can be approved, with ${mostApprovedCharacters} characters of definitions.`,
    )
  return { ...pins, approved, waiting }
}

/**
 * Takes approvals back. What the server still has waits again; what it has no more is forgotten.
 * @throws {PinStoreError} `not_found`
 */
export function revoke(pins: ServerPins, tools: readonly string[], nowMs: number): ServerPins {
  const approved = new Map(pins.approved)
  const waiting = new Map(pins.waiting)
  for (const tool of tools) {
    const pin = approved.get(tool)
    if (!pin) throw nothingOf(tool, 'is approved')
    approved.delete(tool)
    if (pin.missingSince === undefined && !waiting.has(tool)) {
      const { digest, definition } = pin
      waiting.set(tool, { tool, digest, definition, firstSeenAt: nowMs, lastSeenAt: nowMs })
    }
  }
  return { ...pins, approved, waiting }
}

/** Whether the same definitions are approved: whether lists of tools stay what they were. */
export function sameApproved(a: ServerPins | undefined, b: ServerPins | undefined): boolean {
  const [before, after] = [a?.approved ?? new Map<string, Pin>(), b?.approved ?? new Map<string, Pin>()]
  if (before.size !== after.size) return false
  for (const [tool, { digest }] of before) if (after.get(tool)?.digest !== digest) return false
  return true
}

/** As one line of JSON. */
export function writeServerPins({ server, approved, waiting }: ServerPins): string {
  return JSON.stringify({ server, approved: [...approved.values()], waiting: [...waiting.values()] })
}

/** @returns undefined where a value is no server's pins; one damaged entry spoils them all */
export function readServerPins(value: unknown): ServerPins | undefined {
  const { server, approved, waiting } = (value ?? {}) as { server?: unknown; approved?: unknown; waiting?: unknown }
  if (typeof server !== 'string' || !Array.isArray(approved) || !Array.isArray(waiting)) return undefined
  if (!approved.every(isPin) || !waiting.every(isWaiting)) return undefined
  return {
    server,
    approved: new Map(approved.map((pin) => [pin.tool, pin])),
    waiting: new Map(waiting.map((each) => [each.tool, each])),
  }
}

function isPin(value: unknown): value is Pin {
  const pin = (value ?? {}) as Record<keyof Pin, unknown>
  return (
    isDefinition(pin.definition, pin.tool) &&
    isDigest(pin.digest) &&
    typeof pin.approvedBy === 'string' &&
    isTime(pin.approvedAt) &&
    (pin.message === undefined || typeof pin.message === 'string') &&
    (pin.missingSince === undefined || isTime(pin.missingSince))
  )
}

function isWaiting(value: unknown): value is Waiting {
  const waiting = (value ?? {}) as Record<keyof Waiting, unknown>
  const { tool, digest, definition } = waiting
  const known = definition === undefined ? typeof tool === 'string' && digest === '' : isDefinition(definition, tool)
  return known && (digest === '' || isDigest(digest)) && isTime(waiting.firstSeenAt) && isTime(waiting.lastSeenAt)
}

const isDefinition = (value: unknown, tool: unknown) =>
  typeof value === 'object' && value !== null && typeof tool === 'string' && (value as Partial<Tool>).name === tool
const isDigest = (value: unknown) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const isTime = (value: unknown) => typeof value === 'number' && Number.isFinite(value)

function present({ missingSince: _, ...pin }: Pin): Pin {
  return pin
}

function sizeOf({ tool, definition }: Waiting | Pin): number {
  return tool.length + (definition ? JSON.stringify(definition).length : 0)
}

const shown = (tool: string) => `“${asciiText(tool.slice(0, 100))}”`

function nothingOf(tool: string, what: string): PinStoreError {
  return new PinStoreError('not_found', `No tool ${shown(tool)} ${what}.`)
}
