import type { GuardRule } from '../config/guards.ts'
import { durationMs } from '../config/primitives.ts'
import type { Facts } from '../policy/facts.ts'
import { detectors } from './detectors/index.ts'
import { patternDetector } from './detectors/pattern.ts'
import { GuardDenied, type GuardedText, type GuardSession } from './guards.ts'
import { type Found, inspect, type LocalGuard, WindowedText } from './local-guard.ts'
import { type About, askModeration, askWebhook, type RemoteGuard, remoteDenial } from './remote-guard.ts'
import { RestoringText, Vault } from './vault.ts'

/** What guards need of the world. */
export interface GuardParts {
  /** Compiles a condition. */
  condition(source: string): (facts: Facts) => boolean
  /** Gives the value of a reference to a secret. */
  resolve(reference: string): string
  /** Told of what was found: the guard, what kind of thing, what was done. */
  alert(guard: string, label: string, action: 'deny' | 'mask' | 'alert', facts: Facts): void
  /** Told of guards that do not answer. */
  report(error: unknown): void
}

interface Compiled {
  readonly applies: (facts: Facts) => boolean
  readonly on: GuardRule['on']
  readonly action: GuardRule['action']
  readonly local?: LocalGuard
  readonly remote?: RemoteGuard
}

/** The guards of one revision of the rules. */
export class GuardSet {
  readonly #guards: readonly Compiled[]
  readonly #parts: GuardParts

  /** @throws {RangeError} where a pattern is wrong; the message names the guard */
  constructor(rules: Readonly<Record<string, GuardRule>>, parts: GuardParts) {
    this.#parts = parts
    this.#guards = Object.entries(rules).map(([name, rule]) => compile(name, rule, parts))
  }

  get empty(): boolean {
    return this.#guards.length === 0
  }

  /** @returns undefined where no guard is for the request */
  session(facts: Facts): GuardSession | undefined {
    const guards = this.#guards.filter(({ applies }) => applies(facts))
    return guards.length === 0 ? undefined : new Session(guards, facts, this.#parts)
  }
}

function compile(name: string, rule: GuardRule, parts: GuardParts): Compiled {
  const { when, on, action, detect, webhook, moderation, message, restore } = rule
  const base = { applies: when === undefined ? () => true : parts.condition(when), on, action }
  if (detect) {
    const list = detect.map((each) => {
      if (typeof each === 'string') return detectors[each]
      try {
        return patternDetector(each.regex, each.label)
      } catch (error) {
        throw new RangeError(`guards.${name}.detect: ${(error as Error).message}`)
      }
    })
    return { ...base, local: { name, detectors: list, action, restore, message } }
  }
  const remote = webhook ?? moderation!
  const { secret } = webhook ?? {}
  const timeoutMs = durationMs(remote.timeout)
  const ask = webhook
    ? askWebhook({
        url: webhook.url,
        timeoutMs,
        secret: secret === undefined ? undefined : () => parts.resolve(secret),
      })
    : askModeration({ ...moderation!, timeoutMs, key: () => parts.resolve(moderation!.apiKey) })
  return { ...base, remote: { name, onFailure: remote.onFailure, message, ask } }
}

class Session implements GuardSession {
  readonly onRequest: boolean
  readonly #vault = new Vault()
  readonly #facts: Facts
  readonly #parts: GuardParts
  readonly #request: Side
  readonly #response: Side
  readonly #mayRestore: boolean

  constructor(guards: readonly Compiled[], facts: Facts, parts: GuardParts) {
    this.#facts = facts
    this.#parts = parts
    this.#request = sideOf(guards, 'request')
    this.#response = sideOf(guards, 'response')
    this.onRequest = !isEmpty(this.#request)
    this.#mayRestore = this.#request.local.some(({ restore }) => restore)
  }

  get onResponse(): boolean {
    return !isEmpty(this.#response) || (this.#mayRestore && this.#vault.restores)
  }

  request(texts: readonly string[]): readonly string[] | Promise<readonly string[]> {
    const masked = texts.map((text) => inspect(text, this.#request.local, this.#vault, this.#found))
    return this.#remote('request', this.#request, masked)
  }

  response(texts: readonly string[]): readonly string[] | Promise<readonly string[]> {
    const masked = texts.map((text) => inspect(text, this.#response.local, this.#vault, this.#found))
    const passed = this.#remote('response', this.#response, masked)
    const restore = (all: readonly string[]) => all.map((text) => this.#vault.restore(text))
    return passed instanceof Promise ? passed.then(restore) : restore(passed)
  }

  stream(): GuardedText {
    const { local, remote } = this.#response
    const windowed = new WindowedText(local, this.#vault, this.#found)
    const restoring = new RestoringText(this.#vault)
    const local_: GuardedText = {
      push: (piece) => restoring.push(windowed.push(piece)),
      end: () => restoring.push(windowed.end()) + restoring.end(),
    }
    if (remote.length === 0) return local_
    return new AskedText(windowed, restoring, (text) => {
      const passed = this.#remote('response', this.#response, [text])
      return passed instanceof Promise ? passed.then(([only]) => only!) : Promise.resolve(passed[0]!)
    })
  }

  readonly #found: Found = (guard, label, action) => this.#parts.alert(guard, label, action, this.#facts)

  #remote(
    phase: 'request' | 'response',
    { remote }: Side,
    texts: readonly string[],
  ): readonly string[] | Promise<readonly string[]> {
    return remote.length === 0 ? texts : this.#askAll(phase, remote, texts)
  }

  async #askAll(
    phase: 'request' | 'response',
    guards: Side['remote'],
    texts: readonly string[],
  ): Promise<readonly string[]> {
    let current = texts
    for (const { guard, action } of guards) {
      let verdict: Awaited<ReturnType<RemoteGuard['ask']>>
      try {
        verdict = await guard.ask(phase, current, aboutOf(this.#facts))
      } catch (cause) {
        this.#parts.report(new Error(`the guard ${guard.name} did not answer`, { cause }))
        if (guard.onFailure === 'allow') continue
        throw new GuardDenied(
          guard.name,
          `The guard ${guard.name} of this gateway does not answer. Try again in a moment.`,
        )
      }
      if (verdict.action === 'pass') continue
      this.#found(guard.name, 'FLAGGED', action)
      if (action === 'alert') continue
      if (verdict.action === 'deny' || action === 'deny')
        throw remoteDenial(guard, verdict.action === 'deny' ? verdict.reason : undefined)
      current = verdict.texts
    }
    return current
  }
}

interface Side {
  readonly local: readonly LocalGuard[]
  readonly remote: readonly { guard: RemoteGuard; action: GuardRule['action'] }[]
}

function sideOf(guards: readonly Compiled[], phase: 'request' | 'response'): Side {
  const mine = guards.filter(({ on }) => on.includes(phase))
  return {
    local: mine.flatMap(({ local }) => local ?? []),
    remote: mine.flatMap(({ remote, action }) => (remote ? [{ guard: remote, action }] : [])),
  }
}

const isEmpty = ({ local, remote }: Side) => local.length === 0 && remote.length === 0

function aboutOf({ request, model, identity }: Facts): About {
  return { id: request.id, model, operation: request.operation, user: identity.user, team: identity.team }
}

/** So much of a streamed text is asked about at once: up to the end of a sentence, or a little more. */
const usualWindow = 400
const longestWindow = 1_200

/** A text in pieces that is asked about window by window; none of a window goes on before its verdict. */
class AskedText implements GuardedText {
  readonly #windowed: WindowedText
  readonly #restoring: RestoringText
  readonly #ask: (text: string) => Promise<string>
  #pending = ''

  constructor(windowed: WindowedText, restoring: RestoringText, ask: (text: string) => Promise<string>) {
    this.#windowed = windowed
    this.#restoring = restoring
    this.#ask = ask
  }

  push(piece: string): string | Promise<string> {
    this.#pending += this.#windowed.push(piece)
    const cut = this.#cut()
    if (cut === 0) return ''
    const window = this.#pending.slice(0, cut)
    this.#pending = this.#pending.slice(cut)
    return this.#ask(window).then((passed) => this.#restoring.push(passed))
  }

  end(): string | Promise<string> {
    const window = this.#pending + this.#windowed.end()
    this.#pending = ''
    if (window === '') return this.#restoring.end()
    return this.#ask(window).then((passed) => this.#restoring.push(passed) + this.#restoring.end())
  }

  /** @returns where the window that is full ends; 0: none is */
  #cut(): number {
    const { length } = this.#pending
    if (length < usualWindow) return 0
    const sentence = Math.max(...['. ', '! ', '? ', '\n'].map((end) => this.#pending.lastIndexOf(end)))
    if (sentence >= usualWindow / 2) return sentence + 1
    return length >= longestWindow ? length : 0
  }
}
