import { isObject, type JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { compact, listAt, objectAt, optionalObject } from '../translate/fields.ts'
import type { LegacyStyle } from '../translate/style.ts'

/** Cards of 1.0 as 0.3 has them: 0.3, section 5.5. */

/**
 * The card with the interfaces that speak 0.3.
 * @param card in 1.0's JSON
 * @throws {A2aError} `versionNotSupported` where none does
 */
export function legacyCard(card: JsonObject, style: LegacyStyle): JsonObject {
  const interfaces = listAt(card.supportedInterfaces, 'supportedInterfaces')
    .map((item) => objectAt(item, 'supportedInterfaces'))
    .filter((item) => String(item.protocolVersion).startsWith('0.3'))
  const [main, ...more] = interfaces
  if (main === undefined)
    throw new A2aError('versionNotSupported', 'This agent speaks no A2A 0.3; ask with A2A-Version: 1.0', {
      metadata: { supportedVersions: '1.0' },
    })
  const { extendedAgentCard, ...capabilities } = optionalObject(card.capabilities, 'capabilities') ?? {}
  const schemes = optionalObject(card.securitySchemes, 'securitySchemes')
  const requirement = (value: unknown) => (style === 'proto' ? value : legacyRequirement(value))
  return {
    protocolVersion: '0.3.0',
    name: card.name ?? '',
    description: card.description ?? '',
    url: main.url ?? '',
    preferredTransport: main.protocolBinding ?? 'JSONRPC',
    ...compact({
      additionalInterfaces: more.map((item) => ({ url: item.url, transport: item.protocolBinding })),
      provider: card.provider,
      documentationUrl: card.documentationUrl,
      // The 0.3 proto has no icon.
      iconUrl: style === 'kind' ? card.iconUrl : undefined,
    }),
    version: card.version ?? '',
    capabilities,
    ...(schemes && {
      securitySchemes:
        style === 'proto'
          ? schemes
          : Object.fromEntries(
              Object.entries(schemes).map(([name, scheme]) => [
                name,
                legacyScheme(objectAt(scheme, 'securitySchemes')),
              ]),
            ),
    }),
    ...compact({ security: listAt(card.securityRequirements, 'securityRequirements').map(requirement) }),
    defaultInputModes: card.defaultInputModes ?? [],
    defaultOutputModes: card.defaultOutputModes ?? [],
    skills: listAt(card.skills, 'skills').map((value) => {
      const { securityRequirements, ...skill } = objectAt(value, 'skills')
      const security = listAt(securityRequirements, 'securityRequirements').map(requirement)
      return { id: '', name: '', description: '', tags: [], ...skill, ...compact({ security }) }
    }),
    ...(extendedAgentCard !== undefined && { supportsAuthenticatedExtendedCard: extendedAgentCard }),
    ...compact({ signatures: card.signatures }),
  }
}

/** A requirement of 1.0 as 0.3's JSON has it: scopes by the scheme's name. */
export function legacyRequirement(value: unknown): JsonObject {
  const schemes = optionalObject(objectAt(value, 'securityRequirements').schemes, 'schemes') ?? {}
  return Object.fromEntries(
    Object.entries(schemes).map(([name, list]) => [name, isObject(list) ? listAt(list.list, 'list') : []]),
  )
}

/** A scheme of 1.0 as 0.3's JSON has it. @throws {A2aError} where it is none of the five */
export function legacyScheme(scheme: JsonObject): JsonObject {
  const { apiKeySecurityScheme, httpAuthSecurityScheme, oauth2SecurityScheme } = scheme
  if (isObject(apiKeySecurityScheme)) {
    const { location, ...key } = apiKeySecurityScheme
    return { type: 'apiKey', ...key, in: location === 'cookie' || location === 'query' ? location : 'header' }
  }
  if (isObject(httpAuthSecurityScheme)) return { type: 'http', ...httpAuthSecurityScheme }
  if (isObject(oauth2SecurityScheme)) {
    const { deviceCode: _, ...flows } = optionalObject(oauth2SecurityScheme.flows, 'flows') ?? {}
    return { type: 'oauth2', ...oauth2SecurityScheme, flows }
  }
  if (isObject(scheme.openIdConnectSecurityScheme))
    return { type: 'openIdConnect', ...scheme.openIdConnectSecurityScheme }
  if (isObject(scheme.mtlsSecurityScheme)) return { type: 'mutualTLS', ...scheme.mtlsSecurityScheme }
  throw new A2aError('invalidAgentResponse', 'The agent’s card has a security scheme of no known type')
}
