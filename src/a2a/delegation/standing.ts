import type { A2aDelegationRule, A2aRule } from '../../config/a2a.ts'
import { durationMs } from '../../config/primitives.ts'
import type { Identity } from '../../identity/identity.ts'
import { A2aError } from '../errors.ts'
import type { SigningKey } from '../signing-key.ts'
import { extendChain } from './chain.ts'
import { DelegationError } from './errors.ts'
import { allows, intersection, type Rights } from './rights.ts'
import { tokenIn } from './shown.ts'
import { type Clock, type Delegation, mintDelegation } from './token.ts'
import { amountsOf, beginTree, readBudgetHeader, resumeTree, type Tree, withinTree } from './tree.ts'

/** Where a caller stands in a tree of delegations, and what it may pass on. */

/** Who calls, as far as delegations go. */
export interface Standing {
  /** The agent that calls, by its name in the rules; undefined: the caller is none of them. */
  readonly agent: string | undefined
  /** What it was delegated; undefined: it begins by itself. */
  readonly parent: Delegation | undefined
}

/** How far a caller may go with one callee. */
export interface Passage {
  /** With the caller at its end. */
  readonly actors: readonly string[]
  /** What the rules leave the callee. */
  readonly rights: Rights
}

/** Reads a delegation that an agent shows. @throws {DelegationError} where it is not one for this agent, now */
export type Verify = (token: string, presenter: string) => Promise<Delegation>

/** Whether a delegation rule applies to a call. */
export type Applies<F> = (facts: F) => boolean

interface Rule<F> {
  readonly name: string
  readonly effect: 'allow' | 'deny'
  readonly message: string | undefined
  readonly grants: Rights
  readonly applies: Applies<F>
}

/** The rules of delegations under one revision. `F` is what their expressions are asked of. */
export class Delegations<F> {
  readonly #agents = new Map<string, string>()
  readonly #rule: A2aDelegationRule
  readonly #rules: readonly Rule<F>[]
  readonly #lifetimeMs: number
  readonly #amounts: ReturnType<typeof amountsOf>
  readonly #verify: Verify
  readonly #signer: () => Promise<SigningKey>
  readonly #clock: Clock

  /**
   * @param compile makes a rule's condition; the second argument is what holds where it cannot be told
   * @throws {RangeError} where an identity is said to be two agents
   */
  constructor(
    rule: A2aRule,
    parts: {
      compile: (expression: string, otherwise: boolean) => Applies<F>
      verify: Verify
      signer: () => Promise<SigningKey>
      clock?: Clock
    },
  ) {
    for (const [name, { callers }] of Object.entries(rule.agents))
      for (const caller of callers) {
        const other = this.#agents.get(caller)
        if (other !== undefined && other !== name)
          throw new RangeError(`a2a.agents.${name}.callers: ${caller} is the agent ${other} already`)
        this.#agents.set(caller, name)
      }
    this.#rule = rule.delegation
    this.#amounts = amountsOf(rule.tree)
    this.#lifetimeMs = durationMs(rule.delegation.lifetime)
    this.#verify = parts.verify
    this.#signer = parts.signer
    this.#clock = parts.clock ?? Date.now
    this.#rules = Object.entries(rule.delegation.rules).map(([name, { effect, when, message, grants }]) => ({
      name,
      effect,
      message,
      grants: rightsOf(grants ?? {}),
      // What cannot be evaluated denies where it would, and does not allow.
      applies: parts.compile(when, effect === 'deny'),
    }))
  }

  /** The agent that an identity is, by its name in the rules. @returns undefined where it is none of them */
  agentOf(identity: Identity): string | undefined {
    return this.#agents.get(callerKey(identity))
  }

  /**
   * Who a caller is among the agents, and what it was delegated.
   * @param token what it shows of that
   * @throws {A2aError} where it is not its own, not valid now, or missing where the rules want one
   */
  async standingOf(identity: Identity, token: string | undefined): Promise<Standing> {
    const agent = this.agentOf(identity)
    if (token === undefined) {
      if (agent !== undefined && this.#rule.required)
        throw refused(
          `The agent ${agent} may call others only for a task that was delegated to it: send the chaperone-delegation that it got with the task`,
          'a2a.delegation.required',
        )
      return { agent, parent: undefined }
    }
    if (agent === undefined)
      throw refused(
        'Only agents that the rules know by `callers` can show a delegation: leave chaperone-delegation out, or add this identity to its agent',
        'a2a.agents',
      )
    try {
      return { agent, parent: await this.#verify(tokenIn(token), agent) }
    } catch (error) {
      throw asA2a(error)
    }
  }

  /**
   * Whether a caller may delegate to a callee.
   * @throws {A2aError} where it may not: a loop, too deep, beyond its rights, or a rule's word
   */
  passage(identity: Identity, { agent, parent }: Standing, callee: string, facts: () => F): Passage {
    let actors: readonly string[]
    try {
      actors = extendChain(parent?.actors ?? [], agent ?? callerKey(identity), callee, this.#rule.maxDepth)
    } catch (error) {
      throw asA2a(error)
    }
    if (parent && !allows(parent.rights, 'agents', callee))
      throw refused(`What was delegated to you does not reach to the agent ${callee}`, 'a2a.delegation.rules')
    return { actors, rights: this.#rightsOf(facts) }
  }

  /**
   * The tree that a message to an agent is a part of: its caller's, or a new one.
   * @param asked the header by which the caller opens a smaller budget for it
   * @param open the tree of the task that it goes on with, where its caller began that
   * @throws {A2aError} where the header is not well formed
   */
  treeOf(identity: Identity, { agent, parent }: Standing, asked: string | undefined, open: Tree | undefined): Tree {
    const by = agent ?? identity.user ?? callerKey(identity)
    const amounts = asked === undefined ? undefined : readBudgetHeader(asked)
    const now = this.#clock()
    if (parent) {
      const { root, subject, budgets } = parent
      return withinTree({ id: root, subject, budgets }, amounts, by, now)
    }
    if (open) return withinTree(resumeTree(open, now), amounts, by, now)
    return beginTree(this.#amounts, amounts, { by, subject: identity.user ?? callerKey(identity) }, now)
  }

  /**
   * What the callee gets to show when it calls others in turn.
   * @param tree what it is a part of, from `treeOf`
   * @param trace the trace's id, 32 hex digits
   */
  async tokenFor(
    { parent }: Standing,
    callee: string,
    { actors, rights }: Passage,
    tree: Tree,
    trace: string | undefined,
  ): Promise<{ token: string; delegation: Delegation }> {
    const key = await this.#signer()
    return mintDelegation(
      {
        tree,
        actors,
        callee,
        parent,
        rights,
        trace,
        lifetimeMs: this.#lifetimeMs,
      },
      { ...key, issuer: this.#rule.issuer },
      this.#clock,
    )
  }

  #rightsOf(facts: () => F): Rights {
    if (this.#rules.length === 0) {
      if (this.#rule.default === 'allow') return {}
      throw refused('No rule allows this delegation', 'a2a.delegation.default')
    }
    const asked = facts()
    const applying = this.#rules.filter(({ applies }) => applies(asked))
    const denied = applying.find(({ effect }) => effect === 'deny')
    if (denied) throw refused(denied.message ?? 'A rule forbids this delegation', `a2a.delegation.rules.${denied.name}`)
    if (applying.length === 0 && this.#rule.default === 'deny')
      throw refused('No rule allows this delegation', 'a2a.delegation.default')
    // Each says what the callee may use at most.
    return applying.reduce<Rights>((rights, { grants }) => intersection(rights, grants), {})
  }
}

/** A caller as `callers` spells it. */
export function callerKey({ kind, subject }: Identity): string {
  return `${kind}:${subject}`
}

function rightsOf(grants: { [kind in keyof Rights]: Rights[kind] | undefined }): Rights {
  return Object.fromEntries(Object.entries(grants).filter(([, names]) => names !== undefined))
}

const refused = (message: string, rule: string) => new A2aError('permissionDenied', message, { rule })

/** The error that the caller is told. */
function asA2a(error: unknown): A2aError {
  if (!(error instanceof DelegationError))
    return new A2aError('unavailable', 'The delegation cannot be checked at the moment; try again later', {
      cause: error,
    })
  const { message, reason } = error
  return new A2aError('permissionDenied', message, { metadata: { delegation: reason }, rule: 'a2a.delegation' })
}
