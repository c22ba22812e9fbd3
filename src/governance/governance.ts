import type { Rules } from '../config/schema.ts'
import type { GuardSession } from '../guards/guards.ts'
import { delegationHeader } from '../identity/credentials.ts'
import { type Identity, isUnidentified, type Unidentified } from '../identity/identity.ts'
import type { Admission, Use } from '../limits/admission.ts'
import type { Facts } from '../policy/facts.ts'
import type { Policies } from '../policy/policies.ts'

type Maybe<T> = T | Promise<T>

/** Tells who a request comes from. */
export interface Identifier {
  identify(
    request: { readonly listener: string; readonly headers: ReadonlyMap<string, string> },
    nowMs: number,
  ): Maybe<Identity | Unidentified>
}

/** Reads what a caller was delegated. @returns the caller with that, as far as the rights of those before it reach */
export type ReadDelegation = (identity: Identity, token: string) => Promise<Identity | Unidentified>

/** Says whether limits and budgets have room for a request. */
export interface Metering {
  /** Whether there is any limit or budget. */
  readonly metered: boolean
  /**
   * @param estimate what the request may use; asked for only where something counts it
   * @param mayDowngrade whether another model may be put in the place of the one asked for
   */
  admit(facts: Facts, estimate: () => Use, mayDowngrade: boolean): Maybe<Admission>
  /** The share of a budget that has been used up by those it counts this request with. */
  spent(budget: string, facts: Facts): number
}

/** Chooses the guards that look at a request. */
export interface Guarding {
  readonly empty: boolean
  session(facts: Facts): GuardSession | undefined
}

/**
 * What every protocol asks before it lets a request through, under one revision of the rules: who it is, whether it may,
 * whether there is room, and who looks at its content.
 */
export class Governance {
  readonly policies: Policies
  readonly guards: Guarding
  readonly #identifier: Identifier
  readonly #metering: Metering
  readonly #listeners: ReadonlyMap<number, string>
  readonly #firstListener: string
  /** Set once agents are known; undefined: delegations are of no account. */
  readDelegation: ReadDelegation | undefined

  constructor(
    rules: Pick<Rules, 'listeners'>,
    parts: { identifier: Identifier; policies: Policies; metering: Metering; guards: Guarding },
  ) {
    this.#identifier = parts.identifier
    this.#metering = parts.metering
    this.policies = parts.policies
    this.guards = parts.guards
    const names = Object.entries(rules.listeners)
    this.#listeners = new Map(names.map(([name, { port }]) => [port, name]))
    this.#firstListener = names.some(([name]) => name === 'default') ? 'default' : names[0]![0]
  }

  /** Whether no rule wants to know anything of a caller's request but who it comes from. */
  idle(identity: Identity): boolean {
    return this.policies.trivial && this.guards.empty && !this.metered(identity)
  }

  /** Whether a caller's requests are counted: by the rules, or by what it was delegated. */
  metered({ delegation }: Identity): boolean {
    return this.#metering.metered || (delegation !== undefined && delegation.budgets.length > 0)
  }

  /**
   * The listener's name in the rules. Behind an Envoy of somebody else's, whose ports the rules do not know, it is `default`, or
   * the first.
   */
  listenerOf(port: number): string {
    return this.#listeners.get(port) ?? this.#firstListener
  }

  /** Who it is, and for whom it works. */
  identify(listener: string, headers: ReadonlyMap<string, string>): Maybe<Identity | Unidentified> {
    const known = this.authenticate(listener, headers)
    const token = this.readDelegation && headers.get(delegationHeader)
    return token === undefined ? known : this.#delegated(known, token)
  }

  async #delegated(known: Maybe<Identity | Unidentified>, token: string): Promise<Identity | Unidentified> {
    const identity = await known
    return isUnidentified(identity) ? identity : this.readDelegation!(identity, token)
  }

  /** Who it is, whatever it was delegated. */
  authenticate(listener: string, headers: ReadonlyMap<string, string>): Maybe<Identity | Unidentified> {
    return this.#identifier.identify({ listener, headers }, Date.now())
  }

  admit(facts: Facts, estimate: () => Use, mayDowngrade: boolean): Maybe<Admission> {
    return this.#metering.admit(facts, estimate, mayDowngrade)
  }

  spent(budget: string, facts: Facts): number {
    return this.#metering.spent(budget, facts)
  }
}
