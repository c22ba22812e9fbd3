import { randomUUID } from 'node:crypto'
import type { Identity, Unidentified } from '../../identity/identity.ts'
import { A2aError } from '../errors.ts'
import type { Owners } from '../tasks/owners.ts'
import type { Box } from './box.ts'
import { readNotification } from './notification.ts'
import type { NotificationRecord } from './record.ts'
import { proves, type Registration } from './registration.ts'
import { taskMark } from './store/marks.ts'
import { type Enqueued, firstLifeMs, type PushStore } from './store/push-store.ts'

export interface ReceiverParts {
  readonly store: PushStore
  readonly box: Box
  readonly owners: Owners
  /** Whether the rules have an agent by this name. */
  isAgent(name: string): boolean
  /** Which agent an identity is; undefined: the rules do not want to know it. */
  readonly agentOf: ((identity: Identity) => string | undefined) | undefined
  readonly maxBytes: number
  readonly maxQueued: number
  readonly retentionMs: number
  /** Something is to be delivered. */
  queued(): void
  notified(record: NotificationRecord): void
}

/** What an agent sends to a callback. */
export interface CallbackRequest {
  readonly requestId: string
  /** The callback's id; empty: none that can be. */
  readonly id: string
  readonly method: string
  /** By lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
  /** Who asks, as the listener knows it. @param without a header that says something else */
  identify(without: 'authorization' | undefined): Identity | Unidentified | Promise<Identity | Unidentified>
}

/** For an agent that has to come again, s. */
const pauseS = '5'
/** Room for what is still tried when its task has ended. */
const dayMs = 24 * 60 * 60 * 1000

/** Takes what agents say to callbacks, and sees that it is they who say it, and of their own task. */
export class Receiver {
  readonly #parts: ReceiverParts

  constructor(parts: ReceiverParts) {
    this.#parts = parts
  }

  /**
   * Takes a notification: when it returns, it is kept.
   * @throws {A2aError} where it may not be taken; what the agent is told
   */
  async receive(request: CallbackRequest): Promise<void> {
    let agent = ''
    try {
      const { registration } = await this.#known(request)
      agent = registration.agent
      await this.#take(request, registration)
    } catch (error) {
      const reason = error instanceof A2aError ? error.kind : 'internal'
      this.#parts.notified({ outcome: 'refused', agent, requestId: request.requestId, reason })
      throw error
    }
  }

  /** The callback that a request is for, if it proves to be its agent's. */
  async #known({ id, method, headers, identify }: CallbackRequest): Promise<{ registration: Registration }> {
    const { store, box, isAgent, agentOf } = this.#parts
    if (method !== 'POST')
      throw new A2aError('invalidRequest', 'Notifications are sent with POST', { headers: [['allow', 'POST']] })
    const found = id === '' ? undefined : await asked(store.get(id))
    const registration = found && box.openCallback(id, found.sealed)
    const shown = shownIn(headers)
    // One answer for all, so that nobody learns which callbacks there are.
    if (!proves(shown, registration?.proof ?? '') || !registration || !isAgent(registration.agent))
      throw new A2aError(
        'unauthenticated',
        'There is no such callback, or what is shown is not its credential: send the token of its push config as X-A2A-Notification-Token, or as Authorization: Bearer',
      )
    if (!agentOf) return { registration }
    const authorization = new Map([['authorization', headers.get('authorization') ?? '']])
    const taken = proves(shownIn(authorization), registration.proof)
    const identity = await identify(taken ? 'authorization' : undefined)
    if ('status' in identity)
      throw new A2aError(identity.status === 503 ? 'unavailable' : 'unauthenticated', identity.message, {
        rule: 'a2a.push.requireIdentity',
        cause: identity.cause,
      })
    if (agentOf(identity) !== registration.agent)
      throw new A2aError('permissionDenied', 'This callback is another agent’s than the one that calls', {
        rule: 'a2a.push.requireIdentity',
      })
    return { registration }
  }

  async #take({ id, requestId, body }: CallbackRequest, { agent, owner }: Registration): Promise<void> {
    const { store, box, maxBytes, maxQueued, retentionMs } = this.#parts
    if (body.length > maxBytes)
      throw new A2aError('tooLarge', `The notification has ${body.length} bytes; at most ${maxBytes} are taken`, {
        rule: 'a2a.push.maxBytes',
      })
    const { event, taskId, contextId, state, ends, mark } = readNotification(body)
    await this.#own(agent, owner, taskId, contextId)
    const notification = randomUUID()
    const sealed = box.content(id, notification, { event, taskId, state, requestId })
    const enqueued = await asked(
      store.enqueue(
        id,
        { id: notification, sealed },
        {
          ...{ task: taskMark(agent, taskId), mark, ends },
          ...{ most: maxQueued, mostEach: Math.ceil(maxQueued / 10) },
          lifeMs: ends ? retentionMs + dayMs : Math.max(firstLifeMs, retentionMs + dayMs),
        },
      ),
    )
    const refused = refusalOf(enqueued)
    if (refused) throw refused
    if (enqueued !== 'queued') return
    this.#parts.notified({ outcome: 'queued', agent, id: notification, requestId, taskId, state })
    this.#parts.queued()
  }

  /** An agent may speak to a client of that client's own tasks only. */
  async #own(agent: string, owner: string, taskId: string, contextId: string | undefined): Promise<void> {
    const { owners } = this.#parts
    const mine =
      (await asked(owners.claim(agent, 'task', taskId, owner))) === owner &&
      (contextId === undefined || (await asked(owners.claim(agent, 'context', contextId, owner))) === owner)
    if (!mine) throw notItsTask()
  }
}

/** What an agent shows: the token as the SDKs send it, or as HTTP has it. */
function shownIn(headers: ReadonlyMap<string, string>): string[] {
  const shown = [headers.get('x-a2a-notification-token'), headers.get('a2a-notification-token')]
  shown.push(/^Bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1])
  return shown.filter((each) => each !== undefined)
}

const notItsTask = () =>
  new A2aError('permissionDenied', 'This callback is for another task than the one that is told of')

function refusalOf(enqueued: Enqueued): A2aError | undefined {
  switch (enqueued) {
    case 'queued':
    case 'duplicate':
      return undefined
    case 'ended':
      return new A2aError('unsupportedOperation', 'It was said before that this task has ended; nothing follows')
    case 'other-task':
      return notItsTask()
    case 'unknown':
      return new A2aError('unauthenticated', 'There is no such callback any more')
    case 'full':
      return new A2aError('unavailable', 'Too many notifications wait for their receivers; send it again later', {
        rule: 'a2a.push.maxQueued',
        headers: [['retry-after', pauseS]],
      })
  }
}

/** @throws {A2aError} where a store cannot be asked: the agent is to come again */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new A2aError('unavailable', 'Notifications cannot be kept at the moment; send it again later', {
      headers: [['retry-after', pauseS]],
      cause,
    })
  }
}
