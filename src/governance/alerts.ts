import { createHmac } from 'node:crypto'
import type { AlertsRule } from '../config/limits.ts'

/** What is told to those who are to know. */
export interface Alert {
  /** `budget` or `guard`. */
  readonly type: string
  /** The rule's name. */
  readonly rule: string
  /** Whose request or count it is; empty: everyone's. */
  readonly subject: string
  /** More about it; free of content. */
  readonly details: Readonly<Record<string, string | number>>
}

const timeoutMs = 5_000
const attempts = 4
const firstPauseMs = 500
/** Alerts that wait for a webhook that is away; more are only in the log. */
const mostWaiting = 100

/**
 * Tells alerts to the webhook of the rules: a POST with JSON, again after a pause where it fails. With a secret the body is
 * signed: `x-chaperone-signature: sha256=HEX`, an HMAC-SHA-256 of the body.
 */
export class Alerts {
  readonly #resolve: (reference: string) => string
  readonly #report: (error: unknown) => void
  #webhook: AlertsRule['webhook']
  #waiting = 0
  #sending: Promise<void> = Promise.resolve()

  /**
   * @param resolve gives the value of a reference to a secret
   * @param report told of alerts that nobody could be told
   */
  constructor(rule: AlertsRule, resolve: (reference: string) => string, report: (error: unknown) => void) {
    this.#webhook = rule.webhook
    this.#resolve = resolve
    this.#report = report
  }

  /** Obeys changed rules. */
  apply(rule: AlertsRule): void {
    this.#webhook = rule.webhook
  }

  send(alert: Alert): void {
    if (!this.#webhook) return
    if (this.#waiting >= mostWaiting) {
      this.#report(new Error(`an alert of ${alert.type} ${alert.rule} was not sent: ${mostWaiting} are waiting`))
      return
    }
    this.#waiting++
    const body = JSON.stringify({ ...alert, time: new Date().toISOString() })
    this.#sending = this.#sending.then(() => this.#deliver(body)).finally(() => this.#waiting--)
  }

  /** Waits until what waits is sent or given up. */
  close(): Promise<void> {
    return this.#sending
  }

  async #deliver(body: string): Promise<void> {
    let failure: unknown
    for (let attempt = 0; attempt < attempts; attempt++) {
      const webhook = this.#webhook
      if (!webhook) return
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** (attempt - 1)))
      try {
        const signature =
          webhook.secret === undefined
            ? undefined
            : createHmac('sha256', this.#resolve(webhook.secret)).update(body).digest('hex')
        const response = await fetch(webhook.url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...(signature !== undefined && { 'x-chaperone-signature': `sha256=${signature}` }),
          },
          body,
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
        })
        await response.body?.cancel()
        if (response.ok) return
        failure = new Error(`the alert webhook answered ${response.status}`)
      } catch (error) {
        failure = error
      }
    }
    this.#report(new Error('an alert could not be sent', { cause: failure }))
  }
}
