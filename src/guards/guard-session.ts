import type { GuardRule } from '../config/guards.ts'
import type { Facts } from '../policy/facts.ts'
import { GuardDenied, type GuardedText, type GuardSession } from './guards.ts'
import { type Found, inspect, type Sight } from './local-guard.ts'
import { type About, type RemoteGuard, remoteDenial, type Verdict } from './remote-guard.ts'
import { TextWindows } from './text-windows.ts'
import { RestoringText, Vault } from './vault.ts'
import { WindowedText } from './windowed-text.ts'

/** Who hears of what guards find. */
export interface GuardEvents {
  /** Told of what was found, once a request and kind: the guard, what kind of thing, what was done. */
  alert(guard: string, label: string, action: GuardRule['action'], facts: Facts): void
  /** Told of guards that do not answer. */
  report(error: unknown): void
}

/** A guard of the rules, ready to use: it looks for itself, or asks. */
export interface Compiled {
  readonly on: GuardRule['on']
  readonly sights: readonly Sight[]
  readonly remote?: RemoteGuard
}

type Phase = 'request' | 'response'
type Maybe<T> = T | Promise<T>

/** The guards that look at one phase of a request. */
interface Side {
  readonly phase: Phase
  readonly sights: readonly Sight[]
  /** Nothing goes on before they have answered. */
  readonly asked: readonly RemoteGuard[]
  /** They only alert: nothing waits for them. */
  readonly told: readonly RemoteGuard[]
}

/** What the guards of one request do; synchronous where none of them asks. */
export class Session implements GuardSession {
  readonly onRequest: boolean
  readonly #vault = new Vault()
  readonly #facts: Facts
  readonly #events: GuardEvents
  readonly #request: Side
  readonly #response: Side
  readonly findings = new Set<string>()

  constructor(guards: readonly Compiled[], facts: Facts, events: GuardEvents) {
    this.#facts = facts
    this.#events = events
    this.#request = sideOf(guards, 'request')
    this.#response = sideOf(guards, 'response')
    this.onRequest = looks(this.#request)
  }

  get onResponse(): boolean {
    return looks(this.#response) || this.#vault.restores
  }

  request(texts: readonly string[]): Maybe<readonly string[]> {
    this.#vault.avoid(texts)
    return this.#look(this.#request, texts, true)
  }

  response(texts: readonly string[]): Maybe<readonly string[]> {
    return after(this.#look(this.#response, texts, false), (passed) =>
      passed.map((text) => {
        const restoring = new RestoringText(this.#vault)
        return restoring.push(text) + restoring.end()
      }),
    )
  }

  stream(): GuardedText {
    const side = this.#response
    const alerting = side.sights.filter(({ guard }) => guard.action === 'alert')
    const changing = side.sights.filter(({ guard }) => guard.action !== 'alert')
    const parts = { vault: this.#vault, found: this.#found }
    return new StreamedText({
      // What only alerts holds nothing back.
      watching: alerting.length > 0 ? new WindowedText(alerting, parts) : undefined,
      changing: changing.length > 0 ? new WindowedText(changing, parts) : undefined,
      restoring: new RestoringText(this.#vault),
      tell: side.told.length > 0 ? (text) => this.#tell(side, [text]) : undefined,
      ask: side.asked.length > 0 ? async (text) => (await this.#ask(side, [text]))[0]! : undefined,
    })
  }

  #look(side: Side, texts: readonly string[], mayRestore: boolean): Maybe<readonly string[]> {
    const parts = { vault: this.#vault, found: this.#found, mayRestore }
    const inspected = side.sights.length > 0 ? texts.map((text) => inspect(text, side.sights, parts)) : texts
    this.#tell(side, inspected)
    return side.asked.length > 0 ? this.#ask(side, inspected) : inspected
  }

  readonly #found: Found = (guard, label, action) => {
    const finding = `guards.${guard} ${action} ${label}`
    if (this.findings.has(finding)) return
    this.findings.add(finding)
    this.#events.alert(guard, label, action, this.#facts)
  }

  /** Asks those that only alert, and waits for none. */
  #tell({ phase, told }: Side, texts: readonly string[]): void {
    for (const guard of told)
      guard.ask(phase, texts, aboutOf(this.#facts)).then(
        ({ action }) => {
          if (action !== 'pass') this.#found(guard.name, 'FLAGGED', 'alert')
        },
        (cause) => this.#noAnswer(guard, cause),
      )
  }

  /** Asks one after the other: each sees what those before it have left. */
  async #ask({ phase, asked }: Side, texts: readonly string[]): Promise<readonly string[]> {
    let current = texts
    for (const guard of asked) {
      let verdict: Verdict
      try {
        verdict = await guard.ask(phase, current, aboutOf(this.#facts))
      } catch (cause) {
        this.#noAnswer(guard, cause)
        if (guard.onFailure === 'allow') continue
        throw new GuardDenied(
          guard.name,
          `The guard ${guard.name} of this gateway does not answer. Try again in a moment.`,
        )
      }
      if (verdict.action === 'pass') continue
      this.#found(guard.name, 'FLAGGED', guard.action)
      if (verdict.action === 'deny' || guard.action === 'deny')
        throw remoteDenial(guard, verdict.action === 'deny' ? verdict.reason : undefined)
      current = verdict.texts
    }
    return current
  }

  #noAnswer({ name }: RemoteGuard, cause: unknown): void {
    this.#events.report(new Error(`the guard ${name} did not answer`, { cause }))
  }
}

/** One text of a streamed answer on its way through all that look at it. */
class StreamedText implements GuardedText {
  readonly #watching: WindowedText | undefined
  readonly #changing: WindowedText | undefined
  readonly #restoring: RestoringText
  readonly #tell: ((text: string) => void) | undefined
  readonly #ask: ((text: string) => Promise<string>) | undefined
  readonly #told = new TextWindows()
  readonly #asked = new TextWindows()

  constructor(parts: {
    watching: WindowedText | undefined
    changing: WindowedText | undefined
    restoring: RestoringText
    tell: ((text: string) => void) | undefined
    ask: ((text: string) => Promise<string>) | undefined
  }) {
    this.#watching = parts.watching
    this.#changing = parts.changing
    this.#restoring = parts.restoring
    this.#tell = parts.tell
    this.#ask = parts.ask
  }

  push(piece: string): Maybe<string> {
    this.#watching?.push(piece)
    const text = this.#changing ? this.#changing.push(piece) : piece
    if (this.#tell) this.#overhear(this.#told.push(text))
    if (!this.#ask) return this.#restoring.push(text)
    const window = this.#asked.push(text)
    return window === undefined ? '' : this.#ask(window).then((passed) => this.#restoring.push(passed))
  }

  end(): Maybe<string> {
    this.#watching?.end()
    const text = this.#changing?.end() ?? ''
    if (this.#tell) {
      this.#overhear(this.#told.push(text))
      this.#overhear(this.#told.end())
    }
    if (!this.#ask) return this.#restoring.push(text) + this.#restoring.end()
    const window = (this.#asked.push(text) ?? '') + this.#asked.end()
    if (window === '') return this.#restoring.end()
    return this.#ask(window).then((passed) => this.#restoring.push(passed) + this.#restoring.end())
  }

  #overhear(window: string | undefined): void {
    if (window) this.#tell?.(window)
  }
}

function sideOf(guards: readonly Compiled[], phase: Phase): Side {
  const mine = guards.filter(({ on }) => on.includes(phase))
  const remote = mine.flatMap((guard) => guard.remote ?? [])
  return {
    phase,
    sights: mine.flatMap(({ sights }) => sights),
    asked: remote.filter(({ action }) => action !== 'alert'),
    told: remote.filter(({ action }) => action === 'alert'),
  }
}

const looks = ({ sights, asked, told }: Side) => sights.length + asked.length + told.length > 0

function after<T, R>(value: Maybe<T>, next: (value: T) => R): Maybe<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

function aboutOf({ request, model, identity }: Facts): About {
  return { id: request.id, model, operation: request.operation, user: identity.user, team: identity.team }
}
