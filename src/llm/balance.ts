/**
 * Which target of a priority group serves a request first, and which targets are out for a while.
 *
 * The state belongs to addresses and models, not to a revision of the rules: it lives on when the rules change.
 */

/** What is known of one target. */
export class TargetHealth {
  /** Attempts under way. */
  inFlight = 0
  /** Moving average of the time to the first byte, ms; 0: nothing known. */
  latencyMs = 0
  /** Failures since the last success. */
  failures = 0
  /** performance.now() until which the target is out; 0: in. */
  outUntil = 0
  /** How often it was taken out since the last success. */
  outs = 0
  /** performance.now() when it was last taken out. What began before tells nothing of the time since. */
  outSince = Number.NEGATIVE_INFINITY

  /** Whether requests may be given to it. A target whose time is over is in again, on probation. */
  isIn(now: number): boolean {
    return now >= this.outUntil
  }

  started(): void {
    this.inFlight++
  }

  ended(): void {
    this.inFlight--
  }

  /**
   * A good answer has begun.
   * @param began performance.now() when its attempt began; one from before the target was taken out does not bring
   *   it back: a provider that limits its rate goes on with the answers under way
   * @param ms what its first byte took
   */
  succeeded(began: number, ms: number): void {
    this.latencyMs = this.latencyMs === 0 ? ms : this.latencyMs + smoothing * (ms - this.latencyMs)
    if (began < this.outSince) return
    this.failures = 0
    this.outs = 0
    this.outUntil = 0
    this.outSince = Number.NEGATIVE_INFINITY
  }

  /**
   * An attempt failed in a way that says something of the target: 429, 5xx, reset, time-out.
   * @param began performance.now() when it began; of many that were under way together when the target fell, those
   *   after the one that took it out count for nothing, or a moment's outage would keep it out for minutes
   * @param retryAfterMs what the target asked for, if it did
   */
  failed(began: number, now: number, retryAfterMs: number | undefined): void {
    // Zero is no wait: a target that always asks for it would never be out.
    if (retryAfterMs) {
      this.failures++
      this.outUntil = Math.max(this.outUntil, now + Math.min(retryAfterMs, longestOutMs))
      this.outSince = now
    } else if (began >= this.outSince && ++this.failures >= failuresUntilOut) {
      // Doubles each time, and is spread a little, so that sidecars do not come back all at once.
      const ms = Math.min(shortestOutMs * 2 ** this.outs, longestOutMs)
      this.outUntil = Math.max(this.outUntil, now + ms * (0.9 + Math.random() * 0.2))
      this.outSince = now
      this.outs++
      // On probation after that: one more failure takes it out again.
      this.failures = failuresUntilOut - 1
    }
  }
}

const smoothing = 0.2
const failuresUntilOut = 3
const shortestOutMs = 2_000
const longestOutMs = 300_000

/** The health of every target seen so far, by a key of address and model. */
export class HealthBook {
  readonly #targets = new Map<string, TargetHealth>()

  of(key: string): TargetHealth {
    let health = this.#targets.get(key)
    if (!health) {
      health = new TargetHealth()
      this.#targets.set(key, health)
    }
    return health
  }

  /** Forgets the targets that no rules name any more and nothing uses. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const [key, health] of this.#targets) if (!keys.has(key) && health.inFlight === 0) this.#targets.delete(key)
  }

  entries(): IterableIterator<[string, TargetHealth]> {
    return this.#targets.entries()
  }
}

export interface Weighted {
  weight: number
  health: TargetHealth
}

/**
 * Chooses the target to try first: in the first group with a target that is in, two are drawn by weight (the same
 * one twice is possible, which is what makes weights hold when nothing else differs), and the one with the smaller
 * latency × (in flight + 1) wins. When all are out, the one that is back soonest is taken: refusing would help nobody.
 * @param groups in order of priority, none empty
 * @param random a number in [0, 1)
 * @returns [index of the group, index in the group]
 */
export function chooseFirst(
  groups: readonly (readonly Weighted[])[],
  now: number,
  random: () => number = Math.random,
): [group: number, member: number] {
  for (let g = 0; g < groups.length; g++) {
    const group = groups[g]!
    if (group.length === 1) {
      if (group[0]!.health.isIn(now)) return [g, 0]
      continue
    }
    const first = draw(group, now, random)
    if (first === -1) continue
    const second = draw(group, now, random)
    return [g, cost(group[second]!, group) < cost(group[first]!, group) ? second : first]
  }
  let best: [number, number] = [0, 0]
  let soonest = Number.POSITIVE_INFINITY
  groups.forEach((group, g) => {
    group.forEach(({ health }, m) => {
      if (health.outUntil < soonest) {
        soonest = health.outUntil
        best = [g, m]
      }
    })
  })
  return best
}

/** Draws one of the members that are in, by weight; -1 where none is. */
function draw(group: readonly Weighted[], now: number, random: () => number): number {
  let total = 0
  for (const { weight, health } of group) if (health.isIn(now)) total += weight
  if (total === 0) return -1
  let point = random() * total
  let last = -1
  for (let i = 0; i < group.length; i++) {
    const { weight, health } = group[i]!
    if (!health.isIn(now)) continue
    last = i
    point -= weight
    if (point < 0) return i
  }
  return last
}

/** A target of which nothing is known counts as fast as the fastest, so that it is tried. */
function cost({ health }: Weighted, group: readonly Weighted[]): number {
  let latency = health.latencyMs
  if (latency === 0) {
    latency = Number.POSITIVE_INFINITY
    for (const other of group)
      if (other.health.latencyMs > 0 && other.health.latencyMs < latency) latency = other.health.latencyMs
    if (latency === Number.POSITIVE_INFINITY) latency = 1
  }
  return latency * (health.inFlight + 1)
}
