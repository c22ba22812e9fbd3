import { setTimeout as sleep } from 'node:timers/promises'
import { isObject, type JsonObject } from '../../json.ts'
import { AuthorizationNeeded, ConfirmationNeeded } from './needed.ts'

/** What is needed of a client to ask its user. */
export interface UserAsked {
  /** What the client can do (schema: ClientCapabilities). */
  readonly capabilities: JsonObject
  /** Whether a client of this era knows URLElicitationRequiredError, and is told so instead of being asked. */
  readonly knowsError: boolean
  /** @returns the client's ElicitResult */
  asked(method: 'elicitation/create', params: JsonObject): Promise<JsonObject>
  readonly signal: AbortSignal
}

/** How often it is looked whether a user has authorized, ms; and for how long. */
const lookMs = 1_000
const patienceMs = 120_000
const mostRounds = 8

/**
 * Does something for which a user may have to authorize the gateway first, or to give the code that the page showed, and asks them
 * through their client.
 * @param confirm takes the code
 * @throws {AuthorizationNeeded} where the client must be told of the page, with its URL in words where it knows no other way
 */
export async function withUser<T>(
  user: UserAsked,
  confirm: (code: string) => Promise<void>,
  action: () => Promise<T>,
): Promise<T> {
  const elicitation = isObject(user.capabilities.elicitation) ? user.capabilities.elicitation : undefined
  for (let round = 0; ; round++)
    try {
      return await action()
    } catch (error) {
      if (round >= mostRounds) throw error
      if (error instanceof ConfirmationNeeded) {
        // Without modes it is forms that are meant (2025-11-25, Elicitation: Capabilities).
        if (!elicitation || (!('form' in elicitation) && 'url' in elicitation)) throw error
        const { action: chosen, content } = await user.asked('elicitation/create', { ...error.form })
        const code = isObject(content) ? content.code : undefined
        if (chosen !== 'accept' || typeof code !== 'string') throw error
        await confirmed(user, confirm, code)
      } else if (error instanceof AuthorizationNeeded) {
        if (!elicitation || !('url' in elicitation)) throw error.inWords()
        if (user.knowsError) throw error
        const { url, elicitationId, message } = error
        const answer = await user.asked('elicitation/create', { mode: 'url', elicitationId, url, message })
        if (answer.action !== 'accept') throw error
        return await patient(user, action, error)
      } else throw error
    }
}

/** A wrong code is asked for again by whoever comes next. */
async function confirmed(user: UserAsked, confirm: (code: string) => Promise<void>, code: string): Promise<void> {
  try {
    await confirm(code)
  } catch (error) {
    if (!(error instanceof ConfirmationNeeded)) throw error
    const { action, content } = await user.asked('elicitation/create', { ...error.form })
    const next = isObject(content) ? content.code : undefined
    if (action !== 'accept' || typeof next !== 'string') throw error
    await confirm(next)
  }
}

/** The user has gone to the page: as soon as they are done, it goes on. */
async function patient<T>(user: UserAsked, action: () => Promise<T>, needed: AuthorizationNeeded): Promise<T> {
  const until = performance.now() + patienceMs
  for (;;)
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof AuthorizationNeeded)) throw error
      if (performance.now() > until) throw needed
      await sleep(lookMs, undefined, { signal: user.signal })
    }
}
