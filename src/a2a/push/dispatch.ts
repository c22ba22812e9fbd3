import type { GuardSession } from '../../guards/guards.ts'
import { isObject, type JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { guardResult } from '../guarded/guarded.ts'
import { writeNotification } from './notification.ts'
import type { Outcome, Poster } from './post.ts'
import { gather, taskAfter } from './progress.ts'
import type { Registration } from './registration.ts'
import { type Signer, signNotification } from './sign.ts'

/** What is sent for one notification: `task` is for clients that are told of tasks instead of events. */
export interface Ready {
  readonly events: readonly { readonly event: JsonObject; readonly task: JsonObject | undefined }[]
  /** What is to be known with the next one; undefined: nothing new. */
  readonly progress: JsonObject | undefined
  /** Why a guard did not let a part of it pass, which is left out. */
  readonly denied: A2aError | undefined
}

export interface DispatchParts {
  readonly poster: Pick<Poster, 'post'>
  /** Who looks at what this client is told; undefined: nobody. */
  guards(registration: Registration): GuardSession | undefined
  /** Undefined: nothing is signed. */
  readonly signer: Signer | undefined
}

/** What is known of a task may grow to this, as JSON. */
const longestProgress = 8 * 1024 * 1024

/** Makes of an agent's notification what its client gets: guarded, in the client's version, with what the client wants to see. */
export class Dispatch {
  readonly #parts: DispatchParts

  constructor(parts: DispatchParts) {
    this.#parts = parts
  }

  /**
   * @param before what was known when the one before it was delivered
   * @throws {A2aError} where it has become too long
   */
  async prepare(registration: Registration, event: JsonObject, before: JsonObject): Promise<Ready> {
    const session = this.#parts.guards(registration)
    const guards = session?.onResponse === true ? session : undefined
    const legacy = registration.version === '0.3'
    if (!guards && !legacy) return { events: [{ event, task: undefined }], progress: undefined, denied: undefined }
    const open = Array.isArray(before.open) ? before.open.filter(isObject) : []
    const gathered = guards ? gather(open, event) : { open: [], whole: [event] }
    let task = isObject(before.task) ? before.task : undefined
    let denied: A2aError | undefined
    const events: { event: JsonObject; task: JsonObject | undefined }[] = []
    for (const each of gathered.whole)
      try {
        const shown = guards ? await guardResult(guards, each) : each
        const after = legacy ? taskAfter(task, shown) : undefined
        task = after ?? task
        events.push({ event: shown, task: after })
      } catch (error) {
        if (!(error instanceof A2aError)) throw error
        denied = error
      }
    const progress: JsonObject = { ...(task && { task }), ...(guards && { open: gathered.open }) }
    if (JSON.stringify(progress).length > longestProgress)
      throw new A2aError('tooLarge', 'What is known of the task is too long to go on with')
    return { events, progress, denied }
  }

  /** Rejects never, but where the client's version cannot say it. @throws {A2aError} */
  async send(
    registration: Registration,
    id: string,
    taskId: string,
    events: Ready['events'],
    stop: AbortSignal,
  ): Promise<Outcome> {
    let outcome: Outcome = { type: 'held' }
    for (const [index, { event, task }] of events.entries()) {
      const { contentType, body } = writeNotification(event, task, registration.version)
      const name = index === 0 ? id : `${id}-${index}`
      const headers = await this.#headers(registration, name, taskId, contentType, body)
      outcome = await this.#parts.poster.post(registration.url, headers, body, stop)
      if (outcome.type === 'failed') return outcome
    }
    return outcome
  }

  async #headers(
    { url, version, token, authentication }: Registration,
    id: string,
    taskId: string,
    contentType: string,
    body: string,
  ): Promise<Record<string, string>> {
    const { signer } = this.#parts
    const signature = signer && (await signNotification(signer, { id, url, taskId, body }, Date.now()))
    const bearer = authentication === undefined || authentication.scheme.toLowerCase() === 'bearer'
    const authorization =
      authentication?.credentials !== undefined
        ? `${authentication.scheme} ${authentication.credentials}`
        : signature !== undefined && bearer
          ? `Bearer ${signature}`
          : undefined
    return {
      'content-type': contentType,
      'user-agent': 'chaperone',
      'idempotency-key': id,
      ...(version === '1.0' && { 'a2a-version': '1.0' }),
      // SDKs differ on its name.
      ...(token !== undefined && { 'x-a2a-notification-token': token, 'a2a-notification-token': token }),
      ...(authorization !== undefined && { authorization }),
      ...(signature !== undefined && { 'chaperone-notification': signature }),
    }
  }
}
