import { lookup } from 'node:dns/promises'
import type { A2aPushRule, A2aRule } from '../../config/a2a.ts'
import { durationMs } from '../../config/primitives.ts'
import type { ListenerRule } from '../../config/schema.ts'
import type { GuardSession } from '../../guards/guards.ts'
import type { Identity } from '../../identity/identity.ts'
import { readSealKeys, type SealKey } from '../../mcp/seal.ts'
import { type Callbacks, noCallbacks } from '../callbacks.ts'
import type { Owners } from '../tasks/owners.ts'
import { Box } from './box.ts'
import { Courier } from './courier.ts'
import { Dispatch } from './dispatch.ts'
import { Poster } from './post.ts'
import { Receiver } from './receiver.ts'
import type { NotificationRecord } from './record.ts'
import type { Registration } from './registration.ts'
import { RelayedCallbacks } from './relayed-callbacks.ts'
import type { Signer } from './sign.ts'
import type { PushStore } from './store/push-store.ts'
import { type Resolve, TargetCheck } from './target.ts'

/** What is under way when the rules change ends as it began, within this time. */
const oldPosterMs = 10 * 60_000

/** Another process waits for the store meanwhile, ms. */
const longestFarewellMs = 2_000

export interface RelayOptions {
  readonly store: PushStore
  /** Keys of this machine's own, beside those of the rules. @throws {Error} where they cannot be had */
  keys(): readonly SealKey[]
  readonly owners: Owners
  secrets: { resolve(reference: string): string }
  notified(record: NotificationRecord): void
  report(error: unknown): void
}

/** What the relay needs of one revision of the rules. */
export interface RelayRules {
  readonly a2a: A2aRule
  readonly listeners: Readonly<Record<string, ListenerRule>>
  readonly signer: Signer | undefined
  agentOf(identity: Identity): string | undefined
  guards(registration: Registration): GuardSession | undefined
}

/** The relay under one revision of the rules. */
export interface CompiledRelay {
  /** For the calls of clients. */
  readonly callbacks: Callbacks
  /** For the calls of agents; undefined: none are taken. */
  readonly receiver: Receiver | undefined
  /** From now on deliveries go by these rules. */
  activate(): void
}

/** Notifies clients in the place of agents: what of it outlives a revision of the rules. */
export class Relay {
  readonly #options: RelayOptions
  readonly #courier: Courier
  #poster: Poster | undefined
  #complained = false
  /** Of rules before, which may have deliveries under way. */
  readonly #old = new Set<Poster>()

  constructor(options: RelayOptions) {
    this.#options = options
    this.#courier = new Courier(options.store, options.notified, options.report)
  }

  /** @throws {RangeError} where the rules cannot be carried out */
  compile(rules: RelayRules): CompiledRelay {
    const { push, agents } = rules.a2a
    const { store, owners, secrets, notified } = this.#options
    const given = readSealKeys(push.keys, 'a2a.push.keys', (reference) => secrets.resolve(reference))
    const keys = [...given, ...this.#ownKeys(given)]
    if (keys.length === 0)
      return { callbacks: noCallbacks(), receiver: undefined, activate: () => this.#use(undefined, undefined) }
    if (push.sign && !rules.signer) throw new RangeError('a2a.push.sign: needs a2a.signer')
    const box = new Box(keys)
    const check = targetCheckOf(push)
    const retentionMs = durationMs(push.retention)
    const { attempts } = push
    return {
      callbacks: new RelayedCallbacks({ store, box, check, base: (listener) => baseOf(rules, listener) }),
      receiver: new Receiver({
        ...{ store, box, owners, notified, retentionMs, maxBytes: push.maxBytes, maxQueued: push.maxQueued },
        isAgent: (name) => Object.hasOwn(agents, name),
        agentOf: push.requireIdentity ? (identity) => rules.agentOf(identity) : undefined,
        queued: () => this.#courier.look(),
      }),
      activate: () => {
        const poster = new Poster(check, durationMs(push.timeout))
        const signer = push.sign ? rules.signer : undefined
        const dispatch = new Dispatch({ poster, guards: (registration) => rules.guards(registration), signer })
        this.#use(poster, { box, dispatch, attempts, retentionMs })
      },
    }
  }

  /** Nothing is taken or delivered, as the rules want it. */
  rest(): void {
    this.#use(undefined, undefined)
  }

  /** How many notifications wait. @returns undefined where none are taken */
  async waiting(): Promise<number | undefined> {
    return this.#poster && this.#options.store.waiting()
  }

  /** Another process goes on: it can have the store. @param graceMs how long deliveries under way may take */
  async leave(graceMs: number): Promise<void> {
    await this.#courier.stop(Math.min(graceMs, longestFarewellMs))
    await this.#options.store.close()
  }

  /** @param graceMs how long deliveries under way may take */
  async stop(graceMs: number): Promise<void> {
    await this.#courier.stop(graceMs)
    await Promise.all([this.#poster, ...this.#old].map((poster) => poster?.close()))
  }

  /** Keys of this machine's own. Without any key nobody can be notified; that is no reason not to start, and operators are told once. */
  #ownKeys(given: readonly SealKey[]): readonly SealKey[] {
    let cause: unknown
    try {
      const own = this.#options.keys()
      if (own.length + given.length > 0) return own
    } catch (error) {
      cause = error
    }
    if (given.length === 0 && !this.#complained) {
      this.#options.report(new Error('Nobody is notified of tasks: a2a.push needs `keys`, or `mode: off`', { cause }))
      this.#complained = true
    }
    return []
  }

  #use(poster: Poster | undefined, rules: Parameters<Courier['use']>[0]): void {
    const before = this.#poster
    this.#poster = poster
    this.#courier.use(rules)
    if (!before) return
    this.#old.add(before)
    setTimeout(() => {
      this.#old.delete(before)
      void before.close()
    }, oldPosterMs).unref()
  }
}

/** Where agents reach the gateway. What a client says of that is of no account: it would lead the agent anywhere. */
function baseOf({ a2a, listeners }: RelayRules, name: string): string {
  const { push, baseUrl } = a2a
  const given = push.publicUrl ?? baseUrl
  if (given !== undefined) return given.replace(/\/+$/, '')
  const { address, port, tls } = listeners[name] ?? Object.values(listeners)[0]!
  const here = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return `${tls ? 'https' : 'http'}://${here.includes(':') ? `[${here}]` : here}:${port}`
}

/** A check of clients' URLs. @throws {RangeError} where a network of the rules is none */
export function targetCheckOf(push: A2aPushRule, resolve: Resolve = addressesOf): TargetCheck {
  return new TargetCheck(push, resolve)
}

/** All addresses of a name, as this machine knows them. */
async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}
