import { isObject } from '../../json.ts'
import type { JsonObject } from '../protocol.ts'
import type { Carrier } from './carrier.ts'
import type { CallHooks } from './link.ts'

const mostKnown = 10_000
/** Longer calls want to be kept alive, ms. */
const longestMs = 5_000

/**
 * Which calls of a server are answered soon, with nothing before the answer. Only these are carried by the client's own request:
 * on that way nothing can be said while the server says nothing, and nothing more where it dies after its first word.
 */
export class PlainCalls {
  readonly #known = new Set<string>()

  /** @returns the hooks for a call, with a carrier only where it is known to be plain; and who is to be told how it ended */
  watch(
    method: string,
    params: JsonObject,
    hooks: CallHooks,
  ): { readonly hooks: CallHooks; readonly carried: boolean; succeeded(): void; failed(): void } {
    const { carrier } = hooks
    const nothing = () => undefined
    if (!carrier) return { hooks, carried: false, succeeded: nothing, failed: nothing }
    const key = typeof params.name === 'string' ? `${method}\0${params.name}` : method
    const begun = performance.now()
    let plain = !(isObject(params._meta) && 'progressToken' in params._meta)
    const known = plain && this.#known.has(key)
    let carried = false
    const watched: Carrier = {
      era: carrier.era,
      take(request) {
        const taken = carrier.take(request)
        carried ||= taken !== undefined
        return taken
      },
    }
    return {
      get carried() {
        return carried
      },
      hooks: {
        ...hooks,
        carrier: known ? watched : undefined,
        notified: (notification, told) => {
          plain = false
          hooks.notified(notification, told)
        },
        asked: (request, what) => {
          plain = false
          return hooks.asked(request, what)
        },
      },
      succeeded: () => {
        if (!plain || performance.now() - begun > longestMs) this.#known.delete(key)
        else if (!known) {
          if (this.#known.size >= mostKnown) this.#known.clear()
          this.#known.add(key)
        }
      },
      failed: () => this.#known.delete(key),
    }
  }
}
