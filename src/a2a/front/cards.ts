import type { ListenerRule } from '../../config/schema.ts'
import type { JsonObject } from '../../json.ts'
import { checkedCard, type ReadCard, skillsOf } from '../card/read-card.ts'
import { type CardOffer, cardForBoth, rewriteCard } from '../card/rewrite-card.ts'
import { type CardSigner, signCard } from '../card/signatures.ts'
import type { Wanted } from '../governed.ts'
import { targetOf } from '../grpc/target.ts'
import type { A2aVersion } from '../operations.ts'
import type { SigningKey } from '../signing-key.ts'
import type { Asker } from './account.ts'
import type { A2aContext, Offered } from './context.ts'

/** Agents' cards as callers of the gateway get them, and the directory of agents. */

/** Where the key set is published. */
export const keySetPath = '/.well-known/jwks.json'

export interface CardRules {
  readonly listeners: Readonly<Record<string, Pick<ListenerRule, 'identity'>>>
  /** None: cards are not signed. */
  readonly signer: SigningKey | undefined
  /** Where clients of gRPC reach the gateway; undefined: where others do. */
  readonly grpcHost: string | undefined
  /** Whether clients of gRPC need not say which agent they mean. */
  readonly onlyOneByGrpc: boolean
  readonly push: boolean
}

export class Cards {
  readonly #context: A2aContext
  readonly #rules: CardRules

  constructor(context: A2aContext, rules: CardRules) {
    this.#context = context
    this.#rules = rules
  }

  /**
   * The card of an agent for one caller, signed where the rules have a key.
   * @param base where clients reach the gateway, without a slash at its end
   * @param place where they reach the agent
   * @returns in both versions' forms at once, where the agent is offered in both
   * @throws {A2aError} where the agent has none that may be used
   */
  async card(asker: Asker, { agent }: Offered, base: string, place = placeOf(base, agent)): Promise<JsonObject> {
    const card = this.#rewritten(asker, agent, await agent.card(), base, place)
    const document = cardForBoth(card)
    const { signer } = this.#rules
    if (!signer) return document
    const cardSigner: CardSigner = { ...signer, jku: base + keySetPath }
    return signCard(card, cardSigner, document)
  }

  /**
   * What an agent answered to who asked for its extended card, for this caller, in 1.0's JSON.
   * @throws {A2aError} where it is no card
   */
  async extended(
    asker: Asker,
    { agent }: Offered,
    answer: JsonObject,
    base: string,
    place = placeOf(base, agent),
  ): Promise<JsonObject> {
    const rewritten = this.#rewritten(asker, agent, { document: answer, card: checkedCard(answer) }, base, place)
    const { signer } = this.#rules
    return signer ? signCard(rewritten, { ...signer, jku: base + keySetPath }) : rewritten
  }

  /** The agents that a caller may see, each with what its card says of it; one whose card cannot be had has its name alone. */
  async directory(asker: Asker, base: string): Promise<JsonObject> {
    const agents = await Promise.all(
      [...this.#context.agents.values()].map(async ({ agent }): Promise<JsonObject | undefined> => {
        const { name } = agent
        const url = placeOf(base, agent)
        const card = await agent.card().then(
          (found) => this.#rewritten(asker, agent, found, base, url),
          () => undefined,
        )
        const skills = card === undefined ? [] : skillsOf(card)
        if (!this.#maySee(asker, name, '') && skills.length === 0) return undefined
        const place = { name, url, cardUrl: `${url}/.well-known/agent-card.json` }
        if (!card) return { ...place, available: false }
        const summary = skills.map(({ id, name: title, description }) => ({ id, name: title, description }))
        return { ...place, available: true, title: card.name, description: card.description, skills: summary }
      }),
    )
    return { agents: agents.filter((one) => one !== undefined) }
  }

  #rewritten(asker: Asker, agent: Offered['agent'], { card }: ReadCard, base: string, url: string): JsonObject {
    const { bindings, versions } = agent.rule.offer
    const offer: CardOffer = {
      interfaces: versions.flatMap((version) =>
        bindings.flatMap((binding) =>
          binding === 'grpc' ? this.#byGrpc(agent, base, url, version) : [{ url, binding, version }],
        ),
      ),
      skill: (id) => agent.offers(id) && this.#maySee(asker, agent.name, id),
      ...schemesOf(this.#rules.listeners[asker.listener]?.identity),
      push: this.#rules.push,
    }
    return rewriteCard(card, offer)
  }

  /**
   * Where gRPC reaches an agent: at a host of its own, or at that of all with its name as tenant. 0.3 has no tenants: who has the
   * card alone could not say which of several agents is meant, so the card does not lead there. Nor does it where a route has
   * put the agent at a path, which gRPC has none of.
   */
  #byGrpc(agent: Offered['agent'], base: string, url: string, version: A2aVersion): CardOffer['interfaces'] {
    const { grpcHost, onlyOneByGrpc } = this.#rules
    const own = agent.rule.offer.grpcHost
    const byName = url === placeOf(base, agent)
    const byHost = own !== undefined || new URL(url).pathname === '/'
    if (!byHost && (!byName || (version === '0.3' && !onlyOneByGrpc))) return []
    const target = targetOf(base, own ?? (byName ? grpcHost : undefined))
    const named = version === '1.0' && !byHost
    return [{ url: target, binding: 'grpc', version, ...(named && { tenant: agent.name }) }]
  }

  #maySee(asker: Asker, agent: string, skill: string): boolean {
    const { governor, delegations } = this.#context
    const from = delegations.agentOf(asker.identity)
    const wanted: Wanted = { agent, operation: 'sendMessage', skill, depth: 0, from }
    return governor.maySee(asker, wanted)
  }
}

/** Where clients reach an agent, but where a route of the rules put it elsewhere. */
function placeOf(base: string, { name }: Offered['agent']): string {
  return `${base}/a2a/${name}`
}

/** How callers of a listener show who they are, in 1.0's JSON; any one of the ways is enough. */
function schemesOf(
  identity: ListenerRule['identity'] | undefined,
): Pick<CardOffer, 'securitySchemes' | 'securityRequirements'> {
  const schemes: Record<string, JsonObject> = {}
  const accept: readonly string[] = identity?.accept ?? []
  if (accept.includes('key')) schemes.key = { apiKeySecurityScheme: { location: 'header', name: 'x-chaperone-key' } }
  if (accept.includes('jwt')) schemes.jwt = { httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT' } }
  if (accept.includes('mtls')) schemes.mtls = { mtlsSecurityScheme: {} }
  const open = accept.includes('anonymous') || accept.includes('pod')
  return {
    securitySchemes: schemes,
    securityRequirements: open ? [] : Object.keys(schemes).map((name) => ({ schemes: { [name]: {} } })),
  }
}
