import { randomUUID } from 'node:crypto'
import { isObject, type JsonObject } from '../../json.ts'
import {
  type CallbackCourse,
  type Callbacks,
  type CallbackWanted,
  checkTarget,
  configIn,
  unchanged,
  withConfig,
} from '../callbacks.ts'
import { A2aError, type A2aErrorKind } from '../errors.ts'
import { subjectsOf } from '../tasks/guard.ts'
import type { Box } from './box.ts'
import { callbackOf, callbackUrl } from './paths.ts'
import { askerOf, configOf, newCredential, type Registration, readConfig } from './registration.ts'
import { newCallbackId, taskMark } from './store/marks.ts'
import type { PushStore } from './store/push-store.ts'
import type { TargetCheck } from './target.ts'

export interface RelayParts {
  readonly store: PushStore
  readonly box: Box
  /** Which URLs clients may name. */
  readonly check: TargetCheck
  /** Where agents reach the gateway. @param listener the one that the client came by */
  base(listener: string): string
}

/** What an agent that failed so may have begun all the same. */
const mayGoOn: ReadonlySet<A2aErrorKind> = new Set([
  'unavailable',
  'deadlineExceeded',
  'internal',
  'invalidAgentResponse',
])

/**
 * The client's URL and what it holds of secrets stay here. The agent is given the gateway's own URL in their place, and a
 * credential for it that is good for this one callback.
 */
export class RelayedCallbacks implements Callbacks {
  readonly offered = true
  readonly #parts: RelayParts

  constructor(parts: RelayParts) {
    this.#parts = parts
  }

  async begin(wanted: CallbackWanted): Promise<CallbackCourse> {
    const { call, owner } = wanted
    const { agent, params, taskId = '' } = call
    switch (call.operation) {
      case 'setPushConfig':
        return this.#set(wanted)
      case 'getPushConfig':
        return {
          ...unchanged(params),
          shown: async (value) => {
            const found = await this.#clients(value, agent, owner, taskId)
            if (found) return found
            throw new A2aError('taskNotFound', 'There is no such push config', { metadata: { taskId } })
          },
        }
      case 'listPushConfigs':
        return {
          ...unchanged(params),
          shown: async (value) => {
            const listed = Array.isArray(value.configs) ? value.configs.filter(isObject) : []
            const found = await Promise.all(listed.map((each) => this.#clients(each, agent, owner, taskId)))
            return { ...value, configs: found.filter((each) => each !== undefined) }
          },
        }
      case 'deletePushConfig':
        // Before the agent is asked: from now on nothing is delivered, whatever the agent does.
        await this.#delete(taskMark(agent, taskId), String(params.id))
        return unchanged(params)
      default:
        return this.#send(wanted)
    }
  }

  /** A message that brings a config: its task may be a new one. */
  async #send(wanted: CallbackWanted): Promise<CallbackCourse> {
    const { call } = wanted
    const { id, registration, params } = await this.#register(wanted, 'configuration.taskPushNotificationConfig.')
    let known = call.taskId !== undefined
    if (call.taskId !== undefined) await this.#name(call.agent, call.taskId, registration.config, id)
    return {
      params,
      shown: async (value) => {
        const taskId = known ? undefined : subjectsOf(call.operation, value)[0]?.taskId
        if (taskId === undefined) return value
        known = true
        try {
          if (await this.#parts.store.bind(id, taskMark(call.agent, taskId)))
            await this.#name(call.agent, taskId, registration.config, id)
        } catch {
          // The task has begun: its first notification says the same, and is refused while the store is away.
        }
        return value
      },
      ended: async (error) => {
        const goesOn = error === 'aborted' || (error !== undefined && mayGoOn.has(error.kind))
        // Where it came to no task, nobody will ever be notified.
        if (!known && !goesOn) await kept(this.#parts.store.remove(id))
      },
    }
  }

  async #set(wanted: CallbackWanted): Promise<CallbackCourse> {
    const { call } = wanted
    const { agent, taskId = '' } = call
    const { id, registration, params } = await this.#register(wanted, '')
    return {
      params,
      shown: async (value) => {
        // What the agent calls it is what clients will ask for.
        const config = typeof value.id === 'string' && value.id !== '' ? value.id : registration.config
        await this.#name(agent, taskId, config, id)
        return configOf({ ...registration, config }, taskId)
      },
      ended: async (error) => {
        if (error !== undefined && error !== 'aborted' && !mayGoOn.has(error.kind))
          await kept(this.#parts.store.remove(id))
      },
    }
  }

  async #register(
    { call, owner, asker }: CallbackWanted,
    path: string,
  ): Promise<{ id: string; registration: Registration; params: JsonObject }> {
    const { store, box, check, base } = this.#parts
    const config = configIn(call) ?? {}
    const read = readConfig(config, path)
    await checkTarget(check, read.url)
    const id = newCallbackId()
    const { credential, proof } = newCredential()
    const registration: Registration = {
      ...read,
      ...{ agent: call.agent, owner, proof, version: call.version, asker: askerOf(asker) },
      config: typeof config.id === 'string' && config.id !== '' ? config.id : randomUUID(),
    }
    const task = call.taskId === undefined ? undefined : taskMark(call.agent, call.taskId)
    if (!(await kept(store.put(id, box.callback(id, registration), task))))
      throw new A2aError('unavailable', 'There are too many callbacks here; delete some, or subscribe to the task')
    const given = {
      ...config,
      ...{ id: registration.config, url: callbackUrl(base(asker.listener), id) },
      // Agents show one or the other, as their SDK has it.
      ...{ token: credential, authentication: { scheme: 'Bearer', credentials: credential } },
    }
    return { id, registration, params: withConfig(call, given) }
  }

  /** A config of an agent's as its client knows it. @returns undefined where it is none of this client's */
  async #clients(config: JsonObject, agent: string, owner: string, taskId: string): Promise<JsonObject | undefined> {
    const { store, box } = this.#parts
    const id = callbackOf(config.url)
    const found = id === undefined ? undefined : await kept(store.get(id))
    const registration = id !== undefined && found ? box.openCallback(id, found.sealed) : undefined
    if (id === undefined || !registration || registration.agent !== agent || registration.owner !== owner)
      return undefined
    if (found?.task !== taskMark(agent, taskId)) return undefined
    const name = typeof config.id === 'string' && config.id !== '' ? config.id : registration.config
    if (name !== registration.config) await this.#name(agent, taskId, name, id)
    return configOf({ ...registration, config: name }, taskId)
  }

  async #delete(task: string, config: string): Promise<void> {
    const { store } = this.#parts
    const id = await kept(store.find(task, config))
    if (id !== undefined) await kept(store.remove(id))
  }

  async #name(agent: string, taskId: string, config: string, id: string): Promise<void> {
    await kept(this.#parts.store.name(taskMark(agent, taskId), config, id))
  }
}

/** @throws {A2aError} where the store cannot be asked */
async function kept<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new A2aError('unavailable', 'Callbacks cannot be kept at the moment; try again later', { cause })
  }
}
