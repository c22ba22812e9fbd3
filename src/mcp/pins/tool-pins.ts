import type { McpServerRule } from '../../config/mcp.ts'
import type { Tool } from '../protocol.ts'
import { Fingerprints } from './digest.ts'
import type { PinStore } from './pin-store.ts'
import { Reported } from './reported.ts'
import { asciiText } from './safe-text.ts'
import type { Finding } from './scan/finding.ts'
import { NameIndex } from './scan/others.ts'
import { scanTool } from './scan/scan-tool.ts'
import { refreshMs, type Sighting, settledMs } from './server-pins.ts'

/** What becomes of tools that are not as they were approved; the rules' `pins`. */
export type PinPolicy = McpServerRule['pins']

/** Why a tool is not as it was approved. */
export type Departure =
  /** Nobody has approved a tool of this name. */
  | 'new'
  /** Another definition is approved. */
  | 'changed'
  /** Its definition is too long or too deep to be pinned, and so cannot be approved. */
  | 'unpinnable'

/** A tool that is not listed and cannot be called. */
export interface Held {
  readonly tool: Tool
  readonly why: Departure
  /** As of digest.ts; empty where it is unpinnable. */
  readonly digest: string
}

export interface Judged {
  /** What may be listed, in its order: the very array that was given where nothing is held. */
  readonly listed: readonly Tool[]
  readonly held: readonly Held[]
}

/** A definition that is not the approved one, told once in a process: for the log, a metric, the audit. */
export interface PinEvent {
  readonly server: string
  readonly policy: Exclude<PinPolicy, 'off'>
  /** Printable ASCII, at most 200 characters. */
  readonly tool: string
  readonly why: Departure
  /** Whether it is held back. */
  readonly held: boolean
  readonly digest: string
  /** The digest that is approved; undefined: none. */
  readonly approved?: string | undefined
  /** What a scan of it found, the worst first. */
  readonly findings: readonly Finding[]
}

export interface ToolPinsOptions {
  readonly store: PinStore
  report(event: PinEvent): void
  /** Told once when sightings begin not to be kept: judging goes on without. */
  failed(error: unknown): void
  /** The time, in Unix milliseconds. */
  readonly now?: (() => number) | undefined
}

/** What was seen is written down after this long, all of it at once. */
const writeMs = 200
/** A tool that lists have and have not, by turns, is called missing this often at most. */
const missingEveryMs = 60 * 60_000
/** Servers, and tools of one, that are remembered. */
const mostRemembered = 20_000

/**
 * Holds tools to what was approved of them. Strict: where nothing of a server is approved, `quarantine` holds all of its tools until
 * an operator approves them; there is no trust on first use, for a first sight may be of a poisoned server. Judging asks nobody and
 * waits for nothing; what is seen is written to the store afterwards.
 */
export class ToolPins {
  readonly #options: ToolPinsOptions
  readonly #now: () => number
  readonly #fingerprints = new Fingerprints()
  readonly #reported = new Reported()
  /** Sightings that are not written yet, the last of each tool, by server. */
  readonly #unwritten = new Map<string, Map<string, Sighting>>()
  /** When a tool was last in a list as it was approved, and when it was called missing. */
  readonly #lists = new Map<string, { readonly seenAt: Map<string, number>; readonly missedAt: Map<string, number> }>()
  /** The names of each server's tools in its last list: what names may shadow. */
  readonly #names = new Map<string, readonly string[]>()
  #index: NameIndex | undefined
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  /** Definitions that are to be looked through and told, one in each turn of the event loop. */
  readonly #unreported: (() => void)[] = []
  #failing = false
  #closed = false

  constructor(options: ToolPinsOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * Judges a server's whole list of tools.
   * @param tools by the server's own names
   */
  judge(server: string, policy: PinPolicy, tools: readonly Tool[]): Judged {
    if (policy === 'off') return { listed: tools, held: [] }
    const { approved, waiting } = this.#options.store.pins(server)
    this.#remember(server, tools)
    const now = this.#now()
    const { seenAt } = this.#lists.get(server)!
    const held: Held[] = []
    for (const tool of tools) {
      const { name } = tool
      const digest = this.#fingerprints.of(tool)?.digest ?? ''
      const pin = approved.get(name)
      if (pin && pin.digest === digest) {
        seenAt.set(name, now)
        const before = waiting.get(name)
        if (pin.missingSince !== undefined || (before && now - before.lastSeenAt >= settledMs))
          this.#note(server, { type: 'approved', tool: name, digest })
        continue
      }
      const why = digest === '' ? 'unpinnable' : pin ? 'changed' : 'new'
      held.push({ tool, why, digest })
      const known = waiting.get(name)
      if (known?.digest !== digest || now - known.lastSeenAt >= refreshMs)
        this.#note(server, { type: 'waiting', tool: name, digest, ...(digest !== '' && { definition: tool }) })
      if (this.#reported.first(server, `${policy} ${digest} ${name.slice(0, 500)}`, now))
        this.#reportLater(() => this.#report(server, policy, tool, why, digest, pin?.digest))
    }
    if (approved.size + held.length > tools.length) this.#missing(server, tools, now)
    if (policy === 'report' || held.length === 0) return { listed: tools, held: [] }
    const away = new Set(held.map(({ tool }) => tool))
    return { listed: tools.filter((tool) => !away.has(tool)), held }
  }

  /**
   * Whether a tool may be called, by the definition that is known of it.
   * @param tool undefined: its server has not listed it
   */
  mayCall(server: string, policy: PinPolicy, tool: Tool | undefined): boolean {
    if (policy !== 'quarantine') return true
    if (!tool) return false
    const fingerprint = this.#fingerprints.of(tool)
    return (
      fingerprint !== undefined &&
      this.#options.store.pins(server).approved.get(tool.name)?.digest === fingerprint.digest
    )
  }

  /** Tells and writes down what was seen. The store stays open: it is its maker's. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const report of this.#unreported.splice(0)) report()
    this.#write()
    await this.#writing
  }

  #remember(server: string, tools: readonly Tool[]): void {
    if (!this.#lists.has(server)) this.#lists.set(server, { seenAt: new Map(), missedAt: new Map() })
    const before = this.#names.get(server)
    const same = before?.length === tools.length && tools.every(({ name }, i) => name === before[i])
    if (same) return
    this.#names.set(
      server,
      tools.slice(0, mostRemembered).map(({ name }) => name),
    )
    this.#index = undefined
  }

  /** Approved tools that a list is without. Servers show different people different lists: one that was seen of late is not missing. */
  #missing(server: string, tools: readonly Tool[], now: number): void {
    const listed = new Set(tools.map(({ name }) => name))
    const { seenAt, missedAt } = this.#lists.get(server)!
    for (const [tool, { missingSince }] of this.#options.store.pins(server).approved) {
      if (listed.has(tool) || missingSince !== undefined) continue
      if (now - (seenAt.get(tool) ?? -settledMs) < settledMs) continue
      if (now - (missedAt.get(tool) ?? -missingEveryMs) < missingEveryMs) continue
      missedAt.set(tool, now)
      this.#note(server, { type: 'missing', tool })
    }
  }

  /** A look through a long definition takes milliseconds: a list of many must not keep requests waiting. */
  #reportLater(report: () => void): void {
    if (this.#unreported.push(report) > 1) return
    const next = () => {
      this.#unreported.shift()?.()
      if (this.#unreported.length > 0) setImmediate(next)
    }
    setImmediate(next)
  }

  #report(
    server: string,
    policy: Exclude<PinPolicy, 'off'>,
    tool: Tool,
    why: Departure,
    digest: string,
    approved: string | undefined,
  ): void {
    this.#index ??= new NameIndex(this.#names)
    this.#options.report({
      server,
      policy,
      tool: asciiText(tool.name.slice(0, 200)).slice(0, 200),
      why,
      held: policy === 'quarantine',
      digest,
      ...(approved !== undefined && { approved }),
      findings: scanTool(server, tool, this.#index),
    })
  }

  #note(server: string, sighting: Sighting): void {
    let notes = this.#unwritten.get(server)
    if (!notes) {
      notes = new Map()
      this.#unwritten.set(server, notes)
    }
    if (notes.size >= mostRemembered) return
    notes.set(sighting.tool, sighting)
    this.#timer ??= setTimeout(() => this.#write(), writeMs).unref()
  }

  /** One write at a time, and what comes meanwhile is in the next: a list that changes each time costs no more than that. */
  #write(): void {
    this.#writing = this.#writing.then(async () => {
      const all = [...this.#unwritten]
      this.#unwritten.clear()
      for (const [server, notes] of all) {
        try {
          await this.#options.store.see(server, [...notes.values()])
          this.#failing = false
        } catch (error) {
          // What is not kept now is seen again in the next list.
          if (!this.#failing) this.#options.failed(error)
          this.#failing = true
        }
      }
      this.#timer = undefined
      if (this.#unwritten.size > 0 && !this.#closed) this.#timer = setTimeout(() => this.#write(), writeMs).unref()
    })
  }
}
