/** More than this is told of one server in a window: it changes its tools with every list. */
const mostInWindow = 200
const windowMs = 60_000
/** What is remembered of one server, the oldest forgotten first. */
const mostRemembered = 10_000

/** Remembers what was reported, so that it is reported once. */
export class Reported {
  readonly #servers = new Map<string, { readonly known: Set<string>; windowAt: number; inWindow: number }>()

  /**
   * @param now Unix milliseconds
   * @returns whether this is to be reported: for the first time, and not after 200 others of the server within a minute
   */
  first(server: string, what: string, now: number): boolean {
    let its = this.#servers.get(server)
    if (!its) {
      its = { known: new Set(), windowAt: now, inWindow: 0 }
      this.#servers.set(server, its)
    }
    if (its.known.has(what)) return false
    if (now - its.windowAt >= windowMs) {
      its.windowAt = now
      its.inWindow = 0
    }
    if (its.inWindow >= mostInWindow) return false
    its.inWindow++
    its.known.add(what)
    // A set keeps the order of insertion: the oldest stand first.
    if (its.known.size > mostRemembered) its.known.delete(its.known.values().next().value!)
    return true
  }
}
