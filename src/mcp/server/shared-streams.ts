import { ServerError } from '../errors.ts'
import { errorCode } from '../protocol.ts'
import type { ListenHooks } from './link.ts'

interface Shared {
  readonly listeners: Set<ListenHooks>
  readonly controller: AbortController
  readonly opened: Promise<void>
}

/**
 * The streams of what servers say by themselves, one for each session however many listen: a server takes one at a time
 * (2025-11-25 allows several, but what is said comes on one of them only).
 */
export class SharedStreams {
  readonly #streams = new Map<string, Shared>()

  /**
   * @param key the session
   * @param open opens the stream where nobody listens to it yet; hears for all who do
   * @returns when it is open
   */
  listen(key: string, hooks: ListenHooks, open: (hooks: ListenHooks) => Promise<void>): Promise<void> {
    let stream = this.#streams.get(key)
    if (!stream) {
      stream = this.#open(key, open)
      this.#streams.set(key, stream)
    }
    const { listeners, controller, opened } = stream
    listeners.add(hooks)
    const leave = () => {
      listeners.delete(hooks)
      if (listeners.size > 0) return
      if (this.#streams.get(key)?.controller === controller) this.#streams.delete(key)
      controller.abort(new Error('nobody listens any more'))
    }
    if (hooks.signal.aborted) leave()
    else hooks.signal.addEventListener('abort', leave, { once: true })
    return opened
  }

  #open(key: string, open: (hooks: ListenHooks) => Promise<void>): Shared {
    const listeners = new Set<ListenHooks>()
    const controller = new AbortController()
    const lose = () => {
      if (this.#streams.get(key)?.controller === controller) this.#streams.delete(key)
      for (const { lost } of listeners) lost()
    }
    const opened = open({
      notified: (method, params) => {
        for (const { notified } of listeners) notified(method, params)
      },
      // A request is for one of them: who came last is there for sure.
      asked: (method, params) =>
        [...listeners].at(-1)?.asked(method, params) ??
        Promise.reject(
          new ServerError({ code: errorCode.methodNotFound, message: 'There is no client that could answer.' }),
        ),
      lost: lose,
      signal: controller.signal,
    })
    opened.catch(() => {
      if (this.#streams.get(key)?.controller === controller) this.#streams.delete(key)
    })
    return { listeners, controller, opened }
  }
}
