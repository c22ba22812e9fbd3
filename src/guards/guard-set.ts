import type { GuardRule } from '../config/guards.ts'
import { durationMs } from '../config/primitives.ts'
import type { Facts } from '../policy/facts.ts'
import type { Detector } from './detectors/detector.ts'
import { detectors } from './detectors/index.ts'
import { patternDetector } from './detectors/pattern.ts'
import { type Compiled, type GuardEvents, Session } from './guard-session.ts'
import type { GuardSession } from './guards.ts'
import { askModeration, askWebhook, type RemoteGuard } from './remote-guard.ts'

/** What guards need of the world. */
export interface GuardParts extends GuardEvents {
  /** Compiles a condition. */
  condition(source: string): (facts: Facts) => boolean
  /** Gives the value of a reference to a secret. */
  resolve(reference: string): string
}

interface Conditional extends Compiled {
  readonly applies: (facts: Facts) => boolean
}

/** The guards of one revision of the rules. */
export class GuardSet {
  readonly #guards: readonly Conditional[]
  readonly #events: GuardEvents

  /** @throws {RangeError} where a pattern is wrong; the message names the guard */
  constructor(rules: Readonly<Record<string, GuardRule>>, parts: GuardParts) {
    this.#events = parts
    this.#guards = Object.entries(rules).map(([name, rule]) => compile(name, rule, parts))
  }

  get empty(): boolean {
    return this.#guards.length === 0
  }

  /** @returns undefined where no guard is for the request */
  session(facts: Facts): GuardSession | undefined {
    const guards = this.#guards.filter(({ applies }) => applies(facts))
    return guards.length === 0 ? undefined : new Session(guards, facts, this.#events)
  }
}

function compile(name: string, rule: GuardRule, parts: GuardParts): Conditional {
  const { when, on, action, detect, restore, message } = rule
  const applies = when === undefined ? () => true : parts.condition(when)
  if (!detect) return { applies, on, sights: [], remote: remoteGuard(name, rule, parts) }
  const guard = { name, action, restore, message }
  return {
    applies,
    on,
    sights: detect.flatMap((each) => detectorsOf(name, each)).map((detector) => ({ guard, detector })),
  }
}

function detectorsOf(guard: string, what: NonNullable<GuardRule['detect']>[number]): readonly Detector[] {
  if (typeof what === 'string') return detectors[what]
  try {
    return [patternDetector(what.regex, what.label)]
  } catch (error) {
    throw new RangeError(`guards.${guard}.detect: ${(error as Error).message}`)
  }
}

function remoteGuard(
  name: string,
  { webhook, moderation, action, message }: GuardRule,
  parts: GuardParts,
): RemoteGuard {
  if (webhook) {
    const { url, secret, timeout, onFailure } = webhook
    const key = secret === undefined ? undefined : () => parts.resolve(secret)
    return { name, action, onFailure, message, ask: askWebhook({ url, timeoutMs: durationMs(timeout), secret: key }) }
  }
  const { apiKey, timeout, onFailure, ...options } = moderation!
  const ask = askModeration({ ...options, timeoutMs: durationMs(timeout), key: () => parts.resolve(apiKey) })
  return { name, action, onFailure, message, ask }
}
