import { readFile } from 'node:fs/promises'
import type { A2aAgentRule } from '../../config/a2a.ts'
import { durationMs } from '../../config/primitives.ts'
import { type EgressResponse, readAll } from '../../mcp/server/egress.ts'
import { type Freshness, freshnessOf } from '../card/freshness.ts'
import { longestCard, type ReadCard, readCard } from '../card/read-card.ts'
import { A2aError } from '../errors.ts'

/** Where an agent's card comes from, and how long it is used. */

/** Asks the agent, with nobody's credentials: cards are public. */
export type Get = (url: URL, headers: [string, string][], signal: AbortSignal) => Promise<EgressResponse>

/** How long an agent may take to give its card, ms. */
const patienceMs = 10_000
/** After a failure the card is not asked for again for so long, ms. */
const backOffMs = 2_000
const wellKnown = ['/.well-known/agent-card.json', '/.well-known/agent.json'] as const

interface Kept {
  readonly card: ReadCard
  readonly gotMs: number
  readonly untilMs: number
  readonly freshness: Freshness
  readonly url: string
}

/** An agent's card: fetched when it is first wanted, kept as its headers say, and used beyond that while the agent does not answer. */
export class CardSource {
  readonly #rule: A2aAgentRule
  readonly #get: Get
  readonly #check: (card: ReadCard) => Promise<void>
  readonly #now: () => number
  readonly #bounds: { default: number; most: number }
  #kept: Kept | undefined
  #coming: Promise<ReadCard> | undefined
  #failed: { readonly error: A2aError; readonly untilMs: number } | undefined

  /** @param check throws where the card must not be used. @param now Unix milliseconds */
  constructor(rule: A2aAgentRule, get: Get, check: (card: ReadCard) => Promise<void>, now: () => number = Date.now) {
    this.#rule = rule
    this.#get = get
    this.#check = check
    this.#now = now
    this.#bounds = { default: durationMs(rule.card.lifetime), most: durationMs(rule.card.maxLifetime) }
  }

  /** @throws {A2aError} `unavailable` or `invalidAgentResponse` where there is none that may be used */
  async card(): Promise<ReadCard> {
    const now = this.#now()
    const kept = this.#kept
    if (kept && now < kept.untilMs) return kept.card
    if (this.#failed && now < this.#failed.untilMs) return this.#stale(this.#failed.error)
    this.#coming ??= this.#fetch().finally(() => {
      this.#coming = undefined
    })
    try {
      return await this.#coming
    } catch (error) {
      if (!(error instanceof A2aError)) throw error
      this.#failed = { error, untilMs: this.#now() + backOffMs }
      return this.#stale(error)
    }
  }

  /** The one that was, where the agent is only away and the rules let it be used so long. @throws {A2aError} */
  #stale(error: A2aError): ReadCard {
    const kept = this.#kept
    if (error.kind === 'unavailable' && kept && this.#now() < kept.gotMs + this.#bounds.most) return kept.card
    throw error
  }

  async #fetch(): Promise<ReadCard> {
    const { file } = this.#rule.card
    if (file !== undefined) return this.#read(file)
    const urls =
      this.#rule.card.url === undefined
        ? wellKnown.map((path) => this.#rule.url.replace(/\/$/, '') + path)
        : [this.#rule.card.url]
    for (const url of urls) {
      const found = await this.#ask(url)
      if (found) return found
    }
    throw new A2aError('unavailable', 'The agent has no card where it should be; its operator has to look')
  }

  async #read(file: string): Promise<ReadCard> {
    let bytes: Buffer
    try {
      bytes = await readFile(file)
    } catch (cause) {
      throw new A2aError('unavailable', 'The agent’s card cannot be read; the gateway’s operator has to look', {
        cause,
      })
    }
    const card = readCard(bytes)
    await this.#check(card)
    this.#keep(card, file, { lifetimeMs: this.#bounds.default })
    return card
  }

  /** @returns undefined where there is none at this place */
  async #ask(url: string): Promise<ReadCard | undefined> {
    const known = this.#kept?.url === url ? this.#kept : undefined
    const headers: [string, string][] = [['accept', 'application/json']]
    if (known?.freshness.etag !== undefined) headers.push(['if-none-match', known.freshness.etag])
    else if (known?.freshness.lastModified !== undefined)
      headers.push(['if-modified-since', known.freshness.lastModified])
    let answer: EgressResponse
    let bytes: Uint8Array
    try {
      answer = await this.#get(new URL(url), headers, AbortSignal.timeout(patienceMs))
      bytes = await readAll(answer.body, longestCard)
    } catch (cause) {
      if (cause instanceof RangeError)
        throw new A2aError('invalidAgentResponse', `The agent’s card is longer than ${longestCard} bytes`, { cause })
      throw new A2aError('unavailable', 'The agent does not give its card; try again later', { cause })
    }
    const freshness = freshnessOf(textsOf(answer), this.#bounds, this.#now())
    if (answer.status === 304 && known) {
      this.#keep(known.card, url, { ...known.freshness, ...freshness })
      return known.card
    }
    if (answer.status === 404) return undefined
    if (answer.status !== 200)
      throw new A2aError('unavailable', `The agent does not give its card: it answers with ${answer.status}`)
    const card = readCard(bytes)
    await this.#check(card)
    this.#keep(card, url, freshness)
    return card
  }

  #keep(card: ReadCard, url: string, freshness: Freshness): void {
    const gotMs = this.#now()
    this.#failed = undefined
    this.#kept = { card, url, gotMs, untilMs: gotMs + freshness.lifetimeMs, freshness }
  }
}

function textsOf({ headers }: EgressResponse): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) texts.set(name, Array.isArray(value) ? value.join(', ') : value)
  return texts
}
