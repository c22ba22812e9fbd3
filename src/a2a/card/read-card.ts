import { AgentCardSchema } from '#gen/lf/a2a/v1/a2a_pb.js'
import { isObject, type JsonObject, parseObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { readTarget } from '../grpc/target.ts'
import type { A2aBinding, A2aVersion } from '../operations.ts'
import { blamingAgent } from '../translate/result.ts'
import { normalized } from '../translate/schemas.ts'
import { modernCard } from './modern-card.ts'

/** Reading agents' cards: 1.0, section 4.4; 0.3, section 5.5. Cards are what somebody else says. */

/** A card that was read. */
export interface ReadCard {
  /** As the agent gave it; what its signatures are of. */
  readonly document: JsonObject
  /** In 1.0's JSON, with what the version knows and nothing else. */
  readonly card: JsonObject
}

/** The longest card that is read, bytes. */
export const longestCard = 512 * 1024
const most = { supportedInterfaces: 64, skills: 1000, signatures: 16, securityRequirements: 64 } as const

/**
 * Reads a card of either version.
 * @throws {A2aError} `invalidAgentResponse`, with what is wrong with it
 */
export function readCard(body: Uint8Array): ReadCard {
  const refuse = (text: string) => new A2aError('invalidAgentResponse', `The agent’s card ${text}`)
  if (body.length > longestCard) throw refuse(`has ${body.length} bytes; at most ${longestCard} are read`)
  const document = parseObject(body)
  if (document === undefined) throw refuse('is not a JSON object')
  return { document, card: checkedCard(document) }
}

/** The card in 1.0's JSON. @throws {A2aError} `invalidAgentResponse` */
export function checkedCard(document: JsonObject): JsonObject {
  const refuse = (text: string) => new A2aError('invalidAgentResponse', `The agent’s card ${text}`)
  const card = blamingAgent(() => normalized(AgentCardSchema, modernCard(document)))
  for (const [name, limit] of Object.entries(most)) {
    const list = card[name]
    if (Array.isArray(list) && list.length > limit)
      throw refuse(`has ${list.length} ${name}; at most ${limit} are read`)
  }
  if (typeof card.name !== 'string') throw refuse('has no name')
  const ids = new Set<unknown>()
  for (const skill of skillsOf(card)) {
    if (typeof skill.id !== 'string') throw refuse('has a skill without an id')
    if (ids.has(skill.id)) throw refuse(`has two skills with the id ${skill.id.slice(0, 100)}`)
    ids.add(skill.id)
  }
  return card
}

/** The skills of a card in 1.0's JSON. */
export function skillsOf(card: JsonObject): JsonObject[] {
  return Array.isArray(card.skills) ? card.skills.filter(isObject) : []
}

/** A place where an agent can be asked. */
export interface AgentInterface {
  readonly url: URL
  readonly binding: A2aBinding
  readonly version: A2aVersion
  readonly tenant?: string
}

/** An interface of a card that is not used, and why. */
export interface UnusedInterface {
  readonly url: string
  readonly reason: string
}

const bindings: Record<string, A2aBinding> = { JSONRPC: 'jsonrpc', 'HTTP+JSON': 'http+json', GRPC: 'grpc' }

/** The binding's name in cards. */
export function bindingName(binding: A2aBinding): string {
  return binding === 'jsonrpc' ? 'JSONRPC' : binding === 'grpc' ? 'GRPC' : 'HTTP+JSON'
}

/**
 * The interfaces of a card that the gateway can use, in the agent's order.
 * @param card in 1.0's JSON
 * @param trust which URLs may be asked: where a card leads is the agent's word
 *   - `may` whether a URL may be asked; usually that its origin is that of the agent in the rules
 *   - `own` whether a URL is the gateway's own, which would ask itself for ever
 *   - `secure` whether TLS is spoken where gRPC's URL does not say
 */
export function interfacesOf(
  card: JsonObject,
  trust: { may: (url: URL, binding: A2aBinding) => boolean; own: (url: URL) => boolean; secure: boolean },
): { usable: AgentInterface[]; unused: UnusedInterface[] } {
  const usable: AgentInterface[] = []
  const unused: UnusedInterface[] = []
  for (const item of Array.isArray(card.supportedInterfaces) ? card.supportedInterfaces.filter(isObject) : []) {
    const text = String(item.url ?? '').slice(0, 500)
    const binding = bindings[String(item.protocolBinding).toUpperCase()]
    const url = binding === 'grpc' ? readTarget(text, trust.secure) : URL.canParse(text) ? new URL(text) : undefined
    const version = /^(0\.3|1\.0)(?:\.\d+)?$/.exec(String(item.protocolVersion))?.[1] as A2aVersion | undefined
    const reason =
      url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')
        ? 'its URL is not one of http or https'
        : url.username !== '' || url.password !== ''
          ? 'its URL has a user name or password in it'
          : trust.own(url)
            ? 'its URL is the gateway’s own'
            : binding === undefined
              ? 'its binding is not known here'
              : !trust.may(url, binding)
                ? 'its URL is at a place that the rules do not name for this agent'
                : version === undefined
                  ? 'its version of A2A is not known here'
                  : undefined
    if (reason !== undefined || url === undefined || binding === undefined || version === undefined)
      unused.push({ url: text, reason: reason ?? 'it is not known' })
    else usable.push({ url, binding, version, ...(typeof item.tenant === 'string' && { tenant: item.tenant }) })
  }
  return { usable, unused }
}
