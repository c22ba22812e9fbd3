import { isObject, type JsonObject } from '../../json.ts'
import type { A2aBinding, A2aVersion } from '../operations.ts'
import { compact } from '../translate/fields.ts'
import { legacyCard, legacyRequirement, legacyScheme } from './legacy-card.ts'
import { bindingName, skillsOf } from './read-card.ts'

/** Agents' cards as clients of the gateway get them. */

/** Where and how the gateway offers an agent. */
export interface CardOffer {
  /** In the order of preference. */
  readonly interfaces: readonly { url: string; binding: A2aBinding; version: A2aVersion; tenant?: string }[]
  /** Whether the caller may see a skill. */
  readonly skill: (id: string) => boolean
  /** The gateway's own ways to show who one is, in 1.0's JSON; the agent's are between it and the gateway. */
  readonly securitySchemes: Readonly<Record<string, JsonObject>>
  /** In 1.0's JSON: `{schemes: {NAME: {list: [SCOPE, …]}}}`. */
  readonly securityRequirements: readonly JsonObject[]
  /** Whether the gateway lets clients be notified by the agent. */
  readonly push: boolean
}

/**
 * The card as the gateway's: its URLs, its security, the skills that the caller may see. The agent's signatures are not of
 * this card and are left out, as are the tenants in its URLs, which the gateway adds itself.
 * @param card in 1.0's JSON
 */
export function rewriteCard(card: JsonObject, offer: CardOffer): JsonObject {
  const { signatures: _, ...rest } = card
  const capabilities = isObject(card.capabilities) ? card.capabilities : {}
  return {
    ...rest,
    supportedInterfaces: offer.interfaces.map(({ url, binding, version, tenant }) => ({
      url,
      protocolBinding: bindingName(binding),
      protocolVersion: version,
      ...(tenant !== undefined && { tenant }),
    })),
    capabilities: {
      ...capabilities,
      ...(!offer.push && capabilities.pushNotifications === true && { pushNotifications: false }),
    },
    securitySchemes: { ...offer.securitySchemes },
    securityRequirements: [...offer.securityRequirements],
    skills: skillsOf(card)
      .filter(({ id }) => typeof id === 'string' && offer.skill(id))
      .map(({ securityRequirements: __, ...skill }) => skill),
  }
}

/**
 * One document for clients of both versions: 1.0's card with the fields of 0.3 beside its own. Each version's readers ignore
 * the other's fields; where both have a field by one name, it has what both look for.
 * @param card in 1.0's JSON
 * @returns the card alone where no interface speaks 0.3
 */
export function cardForBoth(card: JsonObject): JsonObject {
  const interfaces = Array.isArray(card.supportedInterfaces) ? card.supportedInterfaces.filter(isObject) : []
  if (!interfaces.some(({ protocolVersion }) => String(protocolVersion).startsWith('0.3'))) return card
  const legacy = legacyCard(card, 'kind')
  const schemes = isObject(card.securitySchemes) ? card.securitySchemes : {}
  const legacyCapabilities = isObject(legacy.capabilities) ? legacy.capabilities : {}
  return {
    ...legacy,
    ...card,
    capabilities: { ...legacyCapabilities, ...(isObject(card.capabilities) && card.capabilities) },
    ...compact({
      securitySchemes: Object.fromEntries(
        Object.entries(schemes).map(([name, scheme]) => [
          name,
          isObject(scheme) ? { ...legacyScheme(scheme), ...scheme } : scheme,
        ]),
      ),
      skills: skillsOf(card).map((skill) => ({
        ...skill,
        ...(Array.isArray(skill.securityRequirements) && {
          security: skill.securityRequirements.map(legacyRequirement),
        }),
      })),
    }),
  }
}
