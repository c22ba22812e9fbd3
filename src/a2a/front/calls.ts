import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GuardSession } from '../../guards/guards.ts'
import { delegationHeader } from '../../identity/credentials.ts'
import type { JsonObject } from '../../json.ts'
import { TimeLeft } from '../../limits/time-left.ts'
import { chooseInterface } from '../agent/choose.ts'
import { AgentCredentials } from '../agent/credentials.ts'
import { exchange } from '../agent/exchange.ts'
import { type A2aCall, type A2aRefusal, classify } from '../call.ts'
import { type CallbackCourse, concernsCallbacks } from '../callbacks.ts'
import { delegated, inTree } from '../delegation/caller.ts'
import { newContext, showDelegation, traceIdOf } from '../delegation/shown.ts'
import type { Passage, Standing } from '../delegation/standing.ts'
import { budgetHeader, type Tree } from '../delegation/tree.ts'
import { A2aError, invalidParams } from '../errors.ts'
import type { Wanted } from '../governed.ts'
import { readTimeout } from '../grpc/timeout.ts'
import { guardEvents, guardParams, guardResult } from '../guarded/guarded.ts'
import { TaskGuard } from '../tasks/guard.ts'
import { ownerKey } from '../tasks/owner-key.ts'
import { Account, type Asker } from './account.ts'
import type { Cards } from './cards.ts'
import type { A2aContext, Offered } from './context.ts'
import { GrpcReply } from './grpc-reply.ts'
import { JsonReply } from './json-reply.ts'
import type { Reply } from './reply.ts'

/** A call of an agent that came, and has not been understood yet. */
export interface Incoming extends Asker {
  readonly method: string
  /** After the agent's base, with the query. */
  readonly rest: string
  readonly body: Uint8Array
  /** Where clients reach the gateway, without a slash at its end. */
  readonly base: string
  /** Where they reach the agent; absent: below `/a2a`. */
  readonly place: string | undefined
}

/** What a call has with it on its way to the agent. */
interface Course {
  readonly account: Account
  readonly reply: Reply
  readonly passage: Passage
  /** Of messages: the tree that they are a part of. */
  readonly tree: Tree | undefined
  readonly guards: GuardSession | undefined
  /** Nobody waits for the answer any more. */
  readonly gone: AbortSignal
  /** When the client stops to wait, by performance.now(); undefined: it does not say. */
  readonly until: number | undefined
}

/** Carries calls to agents and their answers back. Here every call begins, and here it ends. */
export class Calls {
  readonly #context: A2aContext
  readonly #cards: Cards

  constructor(context: A2aContext, cards: Cards) {
    this.#context = context
    this.#cards = cards
  }

  /** Answers a call. Rejects never: what goes wrong is an answer, or the end of a stream. */
  async respond(
    incoming: Incoming,
    offered: Offered,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const headers = headersOf(request)
    const { method, rest, body } = incoming
    const call = classify({ agent: offered.agent.name, method, path: rest, headers, body })
    let traceparent = headers.get('traceparent')
    if (traceparent === undefined || traceIdOf(traceparent) === undefined) {
      // Nobody has begun a trace: what comes of the call is in one all the same.
      traceparent = newContext(this.#context.sampling)
      headers.set('traceparent', traceparent)
      headers.delete('tracestate')
    }
    const account = new Account(incoming, offered.agent.name, call, traceparent, this.#context.hearers)
    const reply = call.binding === 'grpc' ? new GrpcReply(response, call) : new JsonReply(response, call, call.id)
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    let failure: A2aError | undefined
    try {
      await this.#serve(incoming, offered, call, headers, account, reply, gone.signal)
    } catch (error) {
      if (!(error instanceof A2aError)) this.#context.report(error, incoming.requestId)
      else if (error.cause !== undefined && !gone.signal.aborted) this.#context.report(error.cause, incoming.requestId)
      failure =
        error instanceof A2aError
          ? error
          : new A2aError('internal', `The gateway failed. The request id is ${incoming.requestId}`)
      if (!gone.signal.aborted) reply.error(failure)
    }
    // A response that has been ended may close before anybody looks: only one that has not was left by its client.
    const aborted = gone.signal.aborted && !response.writableEnded
    account.finish(aborted ? undefined : failure, aborted)
  }

  async #serve(
    incoming: Incoming,
    offered: Offered,
    call: A2aCall | A2aRefusal,
    headers: ReadonlyMap<string, string>,
    account: Account,
    reply: Reply,
    gone: AbortSignal,
  ): Promise<void> {
    if (call.type === 'refusal') throw call.error
    const waits = call.binding === 'grpc' ? readTimeout(headers.get('grpc-timeout')) : undefined
    const { agent } = offered
    const { governor, delegations } = this.#context
    const { bindings, versions } = agent.rule.offer
    const offer = `a2a.agents.${agent.name}.offer`
    if (!bindings.includes(call.binding))
      throw new A2aError('methodNotFound', `This agent is not offered so here; it takes ${bindings.join(', ')}`, {
        rule: `${offer}.bindings`,
      })
    if (!versions.includes(call.version))
      throw new A2aError('versionNotSupported', `This agent is offered here in A2A ${versions.join(', ')}`, {
        metadata: { supportedVersions: versions.join(',') },
        rule: `${offer}.versions`,
      })
    if (call.skill !== undefined && !agent.offers(call.skill))
      throw new A2aError('permissionDenied', 'There is no such skill here; the agent’s card lists those there are', {
        rule: `a2a.agents.${agent.name}.skills`,
      })
    const standing = await delegations.standingOf(incoming.identity, headers.get(delegationHeader))
    account.standing = standing
    const known = standing.parent ? { ...incoming, identity: delegated(incoming.identity, standing.parent) } : incoming
    const wanted: Wanted = {
      agent: agent.name,
      operation: call.operation,
      skill: call.skill ?? '',
      depth: standing.parent?.actors.length ?? 0,
      from: standing.agent,
    }
    governor.judge(known, wanted)
    const passage = delegations.passage(incoming.identity, standing, agent.name, () => governor.facts(known, wanted))
    const tree = await this.#treeOf(incoming, standing, agent.name, call, headers)
    account.tree = tree
    const counted = tree ? { ...known, identity: inTree(known.identity, tree) } : known
    const admitted = await governor.admit(counted, wanted)
    const left = new TimeLeft(admitted.deadline, gone)
    try {
      reply.headers(admitted.headers)
      await this.#ask(incoming, offered, call, headers, {
        account,
        reply,
        passage,
        tree,
        gone: left.signal,
        until: waits === undefined ? undefined : incoming.arrived + waits,
        guards: governor.guards(known, wanted),
      })
    } catch (error) {
      throw left.why(error)
    } finally {
      left.stop()
      admitted.release()
    }
  }

  /** @returns undefined for a call that delegates nothing */
  async #treeOf(
    { identity }: Incoming,
    standing: Standing,
    agent: string,
    { operation, taskId }: A2aCall,
    headers: ReadonlyMap<string, string>,
  ): Promise<Tree | undefined> {
    if (operation !== 'sendMessage' && operation !== 'streamMessage') return undefined
    const { delegations, trees, taskOwner } = this.#context
    const open =
      standing.parent || taskId === undefined
        ? undefined
        : await trees.find(agent, taskId, ownerKey(identity, taskOwner))
    return delegations.treeOf(identity, standing, headers.get(budgetHeader), open)
  }

  async #ask(
    incoming: Incoming,
    offered: Offered,
    call: A2aCall,
    headers: ReadonlyMap<string, string>,
    course: Course,
  ): Promise<void> {
    const { agent } = offered
    const owner = ownerKey(incoming.identity, this.#context.taskOwner)
    const guard = new TaskGuard(this.#context.owners, agent.name, owner)
    await guard.mayAsk(call)
    if (!concernsCallbacks(call)) return this.#exchange(incoming, offered, call, headers, course, guard, undefined)
    const callbacks = await this.#context.callbacks.begin({ call, owner, asker: incoming })
    let failure: unknown
    try {
      await this.#exchange(incoming, offered, call, headers, course, guard, callbacks)
    } catch (error) {
      failure = error
      throw error
    } finally {
      const told = failure instanceof A2aError || failure === undefined ? failure : new A2aError('internal', '')
      await callbacks.ended(course.gone.aborted ? 'aborted' : told)
    }
  }

  async #exchange(
    incoming: Incoming,
    offered: Offered,
    call: A2aCall,
    headers: ReadonlyMap<string, string>,
    { account, reply, passage, tree, guards, gone, until }: Course,
    guard: TaskGuard,
    callbacks: CallbackCourse | undefined,
  ): Promise<void> {
    const { agent } = offered
    const given = callbacks?.params ?? call.params
    const params = guards ? await guardParams(guards, given) : given
    const one = chooseInterface(await agent.interfaces(), call)
    if (call.tenant !== undefined && call.tenant !== one.tenant && call.tenant !== agent.name)
      throw invalidParams('tenant', 'is not one that the agent’s card at this gateway names')
    account.via = one
    const answered = await exchange(
      agent,
      one,
      {
        operation: call.operation,
        params,
        extensions: call.extensions,
        headers: await this.#shown(offered, headers, account, passage, tree),
        until,
      },
      new AgentCredentials(agent.name, offered.credentials, incoming),
      gone,
    )
    if (answered.extensions !== undefined)
      reply.headers([[call.version === '1.0' ? 'a2a-extensions' : 'x-a2a-extensions', answered.extensions]])
    let kept = false
    const seen = async (value: JsonObject) => {
      account.saw(call.operation, value)
      const { begun } = account
      if (tree && begun !== undefined && !kept) {
        kept = true
        await this.#context.trees.keep(agent.name, begun, ownerKey(incoming.identity, this.#context.taskOwner), tree)
      }
      if (call.operation === 'getExtendedCard')
        return this.#cards.extended(incoming, offered, value, incoming.base, incoming.place)
      const shown = await guard.shown(call.operation, value)
      return callbacks ? callbacks.shown(shown) : shown
    }
    if (answered.type === 'result') {
      const value = await seen(answered.value)
      reply.result(call.operation, guards ? await guardResult(guards, value) : value)
      return
    }
    account.streams()
    for await (const event of guards ? guardEvents(guards, answered.events) : answered.events) {
      await reply.event(call.operation, await seen(event))
      account.sent()
    }
    reply.end()
  }

  /** What an agent is told of where the call comes from: the trace, and, if it calls others in turn, its delegation. */
  async #shown(
    { agent }: Offered,
    headers: ReadonlyMap<string, string>,
    account: Account,
    passage: Passage,
    tree: Tree | undefined,
  ): Promise<[string, string][]> {
    const shown: [string, string][] = []
    for (const name of ['traceparent', 'tracestate']) {
      const value = headers.get(name)
      if (value !== undefined) shown.push([name, value])
    }
    const { standing } = account
    if (!tree || !standing || agent.rule.callers.length === 0) return shown
    const context = headers.get('traceparent') ?? ''
    const trace = traceIdOf(context)
    const { token, delegation } = await this.#context.delegations.tokenFor(standing, agent.name, passage, tree, trace)
    account.delegation = delegation.id
    shown.push([delegationHeader, showDelegation(token, context)])
    return shown
  }
}

/** By lower-case names. */
export function headersOf({ headers }: IncomingMessage): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) found.set(name, Array.isArray(value) ? value.join(', ') : value)
  return found
}
