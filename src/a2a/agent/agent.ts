import { readFile } from 'node:fs/promises'
import type { JWK } from 'jose'
import type { A2aAgentRule } from '../../config/a2a.ts'
import { durationMs } from '../../config/primitives.ts'
import { isObject, parseObject } from '../../json.ts'
import type { Egress, EgressResponse } from '../../mcp/server/egress.ts'
import type { Upstream } from '../../protocol.ts'
import { cardKeys } from '../card/keys.ts'
import { type AgentInterface, interfacesOf, type ReadCard } from '../card/read-card.ts'
import { verifyCard } from '../card/signatures.ts'
import { A2aError } from '../errors.ts'
import type { A2aBinding } from '../operations.ts'
import { CardSource } from './card-source.ts'
import { placeOf, placesOf } from './places.ts'

const longestKeySet = 256 * 1024
const keyPatienceMs = 10_000

/** An agent behind the gateway, under one version of its rule. */
export class Agent {
  readonly name: string
  readonly rule: A2aAgentRule
  readonly callTimeoutMs: number
  readonly streamIdleMs: number
  readonly #places: ReadonlyMap<string, Upstream>
  readonly #cards: CardSource
  readonly #egress: Egress
  readonly #own: (url: URL) => boolean

  /**
   * @param own whether a URL is the gateway's own
   * @throws {RangeError} where the rule cannot be carried out
   */
  constructor(name: string, rule: A2aAgentRule, egress: Egress, own: (url: URL) => boolean) {
    this.name = name
    this.rule = rule
    this.callTimeoutMs = durationMs(rule.callTimeout)
    this.streamIdleMs = durationMs(rule.streamIdle)
    this.#places = new Map(placesOf(name, rule).map((place) => [place.id, place]))
    this.#egress = egress
    this.#own = own
    this.#cards = new CardSource(
      rule,
      (url, headers, signal) => this.request({ url, binding: 'http+json' }, 'GET', headers, null, signal),
      (card) => this.#verify(card),
    )
  }

  /** @throws {A2aError} */
  card(): Promise<ReadCard> {
    return this.#cards.card()
  }

  /** How it can be asked, in the order of preference. @throws {A2aError} where its card is needed and cannot be had */
  async interfaces(): Promise<readonly AgentInterface[]> {
    const { interfaces } = this.rule
    if (interfaces !== 'auto')
      return interfaces.map(({ url, binding, version, tenant }) => ({
        url: new URL(url),
        binding,
        version,
        ...(tenant !== undefined && { tenant }),
      }))
    const { card } = await this.card()
    return interfacesOf(card, {
      own: this.#own,
      may: (url, binding) => this.#placeOf(url, binding) !== undefined,
      secure: this.rule.url.startsWith('https:'),
    }).usable
  }

  /** Whether it may be shown to callers and asked for. */
  offers(skill: string): boolean {
    const { allow, deny } = this.rule.skills
    return allow.some((pattern) => matches(pattern, skill)) && !deny.some((pattern) => matches(pattern, skill))
  }

  /**
   * Asks it, by way of Envoy.
   * @param at where, and what is spoken there
   * @throws {A2aError} where the URL is at none of its places
   * @throws {Error} where Envoy cannot be reached
   */
  request(
    { url, binding }: Pick<AgentInterface, 'url' | 'binding'>,
    method: 'GET' | 'POST' | 'DELETE',
    headers: [string, string][],
    body: Uint8Array | null,
    signal: AbortSignal,
  ): Promise<EgressResponse> {
    const place = this.#placeOf(url, binding)
    if (!place) throw new A2aError('unavailable', 'The agent’s URL is at a place that the rules do not name for it')
    return this.#egress.request(place, method, url.pathname + url.search, headers, body, signal)
  }

  #placeOf(url: URL, binding: A2aBinding): Upstream | undefined {
    return this.#places.get(placeOf(this.name, this.rule, url, binding).id)
  }

  /** @throws {A2aError} where nobody who is trusted signed it, and the rules want that */
  async #verify(card: ReadCard): Promise<void> {
    const { keys } = this.rule.card
    if (!keys) return
    const own = keys.file === undefined ? [] : await keysIn(keys.file)
    const find = cardKeys({ keys: own, urls: keys.urls }, (url) => fetchKeys(url))
    const result = await verifyCard(card, find)
    if (result.type === 'verified' || (!keys.require && result.type === 'unsigned')) return
    const why = result.type === 'unsigned' ? 'it has no signature' : result.reasons.join('; ')
    throw new A2aError('invalidAgentResponse', `The agent’s card is not trusted: ${why}`, {
      rule: `a2a.agents.${this.name}.card.keys`,
    })
  }
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

async function keysIn(file: string): Promise<JWK[]> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw noKeys(cause)
  }
  const set = parseObject(bytes)
  if (!Array.isArray(set?.keys)) throw noKeys(undefined)
  return set.keys.filter((key): key is JWK => isObject(key))
}

/** Key sets are the operator's own choice of URL, so they are fetched as those of issuers are: directly. */
async function fetchKeys(url: string): Promise<unknown> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(keyPatienceMs) })
    if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}`)
    return parseObject(await bounded(response.body))
  } catch (cause) {
    throw noKeys(cause)
  }
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body) {
    length += piece.length
    if (length > longestKeySet) throw new RangeError(`the key set is longer than ${longestKeySet} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const noKeys = (cause: unknown) =>
  new A2aError('unavailable', 'The keys that may sign the agent’s card cannot be had; try again later', { cause })
