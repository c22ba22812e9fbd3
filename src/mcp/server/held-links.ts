import { ServerUnavailable } from '../errors.ts'
import { abortable } from './abortable.ts'
import type { Link } from './link.ts'

interface Held {
  readonly link: Promise<Link>
  busy: number
  usedAt: number
  /** It is not idle before: there are tasks in it. */
  keptUntil: number
  /** Ends a session that ends with its process or its stream. */
  readonly end: () => void
}

/** Links of one server. */
const mostHeld = 256
/** A link that ends sooner after it was opened counts as a failure. */
const soonMs = 5_000
const firstPauseMs = 250
const longestPauseMs = 30_000

/**
 * The links that this process holds for callers whose own side has no session, or whose server's cannot be given away: opened when
 * they are needed, shared by all requests of the same key, ended when they are idle. One that fails is opened again after a pause that
 * doubles with each failure.
 */
export class HeldLinks {
  readonly #server: string
  readonly #idleMs: number
  readonly #held = new Map<string, Held>()
  readonly #sweeper: NodeJS.Timeout
  #failedAt = 0
  #failures = 0

  /** @param server its name, for errors */
  constructor(server: string, idleMs: number) {
    this.#server = server
    this.#idleMs = idleMs
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), Math.max(1_000, idleMs / 4))
    this.#sweeper.unref()
  }

  /** Whether anything is under way on what is held. */
  get busy(): boolean {
    for (const { busy } of this.#held.values()) if (busy > 0) return true
    return false
  }

  /**
   * @param open opens the link where none is held; it is given what to call when the link is over, and whom to tell how to end it
   * @throws {ServerUnavailable} where there are too many, or it failed a moment ago
   */
  async hold(
    key: string,
    signal: AbortSignal,
    open: (ended: () => void, endsBy: (end: () => void) => void) => Promise<Link>,
  ): Promise<{ link: Link; release: () => void }> {
    let held = this.#held.get(key)
    if (!held) {
      if (this.#held.size >= mostHeld && !this.#evict())
        throw new ServerUnavailable(this.#server, `The MCP server ${this.#server} has too many sessions under way.`)
      this.#backOff()
      held = this.#open(key, open)
      this.#held.set(key, held)
    }
    const taken = held
    taken.busy++
    let released = false
    const release = () => {
      if (released) return
      released = true
      taken.busy--
      taken.usedAt = performance.now()
    }
    try {
      return { link: await abortable(taken.link, signal), release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** Ends what is held by a key. @param link only if it is this one */
  async drop(key: string, link?: Link): Promise<void> {
    const held = this.#held.get(key)
    if (!held) return
    if (link && (await held.link.catch(() => undefined)) !== link) return
    if (this.#held.get(key) !== held) return
    this.#held.delete(key)
    held.end()
  }

  /** Does not end it for idleness: a task is in it. */
  keepFor(key: string, ms: number): void {
    const held = this.#held.get(key)
    if (held) held.keptUntil = Math.max(held.keptUntil, performance.now() + ms)
  }

  /** Ends all. Nothing may ask it any more. */
  close(): void {
    clearInterval(this.#sweeper)
    for (const { end } of this.#held.values()) end()
    this.#held.clear()
  }

  #open(key: string, open: (ended: () => void, endsBy: (end: () => void) => void) => Promise<Link>): Held {
    let end: () => void = () => undefined
    const startedAt = performance.now()
    let opened = false
    /** @returns whether it was held: what was ended on purpose is not */
    const dropped = () => this.#held.get(key) === held && this.#held.delete(key)
    const link = open(
      () => {
        if (opened && dropped() && performance.now() - startedAt < soonMs) this.#failed()
      },
      (how) => {
        end = how
      },
    )
    const held: Held = { link, busy: 0, usedAt: startedAt, keptUntil: 0, end: () => end() }
    link.then(
      () => {
        opened = true
        this.#failures = 0
      },
      () => {
        this.#failed()
        dropped()
      },
    )
    return held
  }

  #failed(): void {
    this.#failures++
    this.#failedAt = performance.now()
  }

  /** A server that fails again and again is not started for each request. @throws {ServerUnavailable} */
  #backOff(): void {
    if (this.#failures === 0) return
    const waitMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures - 1, 10))
    if (performance.now() - this.#failedAt < waitMs)
      throw new ServerUnavailable(
        this.#server,
        `The MCP server ${this.#server} failed ${this.#failures} times in a row; it is tried again in at most ${Math.ceil(waitMs / 1000)} s.`,
      )
  }

  #evict(): boolean {
    let oldest: string | undefined
    for (const [key, { busy, usedAt }] of this.#held)
      if (busy === 0 && (oldest === undefined || usedAt < this.#held.get(oldest)!.usedAt)) oldest = key
    if (oldest === undefined) return false
    void this.drop(oldest)
    return true
  }

  #sweep(now: number): void {
    for (const [key, { busy, usedAt, keptUntil }] of this.#held)
      if (busy === 0 && now - usedAt >= this.#idleMs && now >= keptUntil) void this.drop(key)
  }
}
