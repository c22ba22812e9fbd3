import { isObject, type JsonObject } from '../../json.ts'
import { invalidParams } from '../errors.ts'
import { compact, field, listAt, objectAt, optionalObject } from '../translate/fields.ts'

/** Cards of 0.3 as 1.0 has them: 1.0, section 4.4, and appendix A; 0.3, section 5.5. */

/**
 * A card in 1.0's JSON.
 * @param card of 0.3, in either spelling, or of 1.0, or one document for clients of both, which the SDKs serve
 * @throws {A2aError} where it is none
 */
export function modernCard(card: JsonObject): JsonObject {
  // What a card of 1.0 has of 0.3 beside it is for others, and not signed.
  if (listAt(field(card, 'supportedInterfaces'), 'supportedInterfaces').length > 0) return card
  const interfaces = legacyInterfaces(card)
  if (interfaces.length === 0) throw invalidParams('supportedInterfaces', 'must have at least one interface')
  const capabilities = optionalObject(field(card, 'capabilities'), 'capabilities') ?? {}
  const schemes = optionalObject(field(card, 'securitySchemes'), 'securitySchemes')
  return compact({
    name: field(card, 'name'),
    description: field(card, 'description'),
    supportedInterfaces: interfaces,
    provider: field(card, 'provider'),
    version: field(card, 'version'),
    documentationUrl: field(card, 'documentationUrl'),
    iconUrl: field(card, 'iconUrl'),
    capabilities: {
      ...capabilities,
      ...compact({ extendedAgentCard: field(card, 'supportsAuthenticatedExtendedCard') }),
    },
    securitySchemes:
      schemes &&
      Object.fromEntries(
        Object.entries(schemes).map(([name, scheme]) => [name, modernScheme(scheme, `securitySchemes.${name}`)]),
      ),
    securityRequirements: listAt(field(card, 'security'), 'security').map(modernRequirement),
    defaultInputModes: field(card, 'defaultInputModes'),
    defaultOutputModes: field(card, 'defaultOutputModes'),
    skills: listAt(field(card, 'skills'), 'skills').map((value, index) => {
      const { security, ...skill } = objectAt(value, `skills[${index}]`)
      return {
        ...skill,
        ...compact({ securityRequirements: listAt(security, `skills[${index}].security`).map(modernRequirement) }),
      }
    }),
    signatures: field(card, 'signatures'),
  })
}

/** The interfaces that the fields of 0.3 name, the preferred one first. */
function legacyInterfaces(card: JsonObject): JsonObject[] {
  const url = field(card, 'url')
  if (url === undefined) return []
  // 0.3 cards say 0.3.0 and the like; patch versions mean nothing.
  const version = /^\d+\.\d+/.exec(String(field(card, 'protocolVersion') ?? '0.3'))?.[0] ?? '0.3'
  const main = { url, transport: field(card, 'preferredTransport') ?? 'JSONRPC' }
  const more = listAt(field(card, 'additionalInterfaces'), 'additionalInterfaces').map((item) =>
    objectAt(item, 'additionalInterfaces'),
  )
  const found = new Map<string, JsonObject>()
  for (const { url: address, transport } of [main, ...more]) {
    const key = `${transport} ${address}`
    if (!found.has(key)) found.set(key, { url: address, protocolBinding: transport, protocolVersion: version })
  }
  return [...found.values()]
}

function modernRequirement(value: unknown): JsonObject {
  const requirement = objectAt(value, 'security')
  if (isObject(requirement.schemes)) return requirement
  return {
    schemes: Object.fromEntries(Object.entries(requirement).map(([name, list]) => [name, compact({ list })])),
  }
}

function modernScheme(value: unknown, path: string): JsonObject {
  const scheme = objectAt(value, path)
  const { type, ...rest } = scheme
  switch (type) {
    case undefined:
      // Protobuf's JSON of 0.3 is that of 1.0.
      return scheme
    case 'apiKey': {
      const { in: location, ...key } = rest
      return { apiKeySecurityScheme: { ...key, location } }
    }
    case 'http':
      return { httpAuthSecurityScheme: rest }
    case 'mutualTLS':
      return { mtlsSecurityScheme: rest }
    case 'openIdConnect':
      return { openIdConnectSecurityScheme: rest }
    case 'oauth2':
      return { oauth2SecurityScheme: { ...rest, flows: oneFlow(objectAt(rest.flows, `${path}.flows`)) } }
    default:
      throw invalidParams(`${path}.type`, 'is not a type of A2A’s security schemes')
  }
}

/** 1.0 has one flow a scheme: the safest of those there are. */
function oneFlow(flows: JsonObject): JsonObject {
  for (const name of ['authorizationCode', 'clientCredentials', 'password', 'implicit'])
    if (flows[name] !== undefined) return { [name]: flows[name] }
  return {}
}
