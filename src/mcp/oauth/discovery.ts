import type { JsonObject } from '../../json.ts'
import { type OAuthHttp, OAuthUnavailable, textIn, textsIn } from './http.ts'
import { resourceWellKnown } from './paths.ts'
import { type Reach, UnreachableUrl } from './reach.ts'
import { readChallenge, type ServerChallenge } from './read-challenge.ts'
import { holdsServer } from './resource.ts'

/** What a server says of who authorizes for it (RFC 9728). */
export interface ResourceMetadata {
  /** What tokens are to be asked for. */
  readonly resource: string
  readonly issuers: readonly string[]
  readonly scopes: readonly string[] | undefined
}

/** An authorization server, after all checks (RFC 8414, section 2; OpenID Connect Discovery 1.0, section 3). */
export interface AuthorizationServer {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly registrationEndpoint: string | undefined
  readonly revocationEndpoint: string | undefined
  /** How clients may say who they are; undefined: the usual way. */
  readonly methods: readonly string[] | undefined
  readonly scopes: readonly string[]
  /** Whether it says who it is when it sends users back (RFC 9207). */
  readonly saysIssuer: boolean
  /** Whether it takes URLs of client id metadata documents as client ids. */
  readonly takesDocuments: boolean
}

/** What was found cannot be used. The message is for the operator. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError'
}

/** What a server tells someone who shows nothing. @returns undefined where it does not refuse, or says nothing */
export async function probe(http: OAuthHttp, reach: Reach, serverUrl: string): Promise<ServerChallenge | undefined> {
  const { status, header } = await http.request(reach, serverUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    headOnly: true,
  })
  return status === 401 ? readChallenge(header('www-authenticate')) : undefined
}

/**
 * Finds the metadata of a server: where its challenge says, else at the well-known places (MCP 2026-07-28, Protected Resource
 * Metadata Discovery Requirements).
 * @returns undefined where it has none
 * @throws {DiscoveryError} where it is of another resource (RFC 9728, section 3.3)
 */
export async function discoverResource(
  http: OAuthHttp,
  reach: Reach,
  serverUrl: string,
  named: string | undefined,
): Promise<ResourceMetadata | undefined> {
  const { origin, pathname } = new URL(serverUrl)
  const path = pathname.replace(/\/+$/, '')
  const places =
    named === undefined
      ? [...new Set([`${origin}${resourceWellKnown}${path}`, `${origin}${resourceWellKnown}`])]
      : [named]
  for (const place of places) {
    const { status, json } = await http.request(reach, place, { method: 'GET' })
    if (status !== 200 || json === undefined) continue
    const resource = textIn(json, 'resource')
    // Tokens for somebody else's resource would be shown to this server.
    if (resource === undefined || !holdsServer(resource, serverUrl))
      throw new DiscoveryError(`the metadata at ${new URL(place).host} is of another resource`)
    return {
      resource,
      issuers: (textsIn(json, 'authorization_servers') ?? []).slice(0, 10),
      scopes: textsIn(json, 'scopes_supported')?.filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(scope)),
    }
  }
  if (named !== undefined)
    throw new DiscoveryError(`there is no metadata where the server says (${new URL(named).host})`)
  return undefined
}

/**
 * Reads what an authorization server says of itself (MCP 2026-07-28, Authorization Server Metadata Discovery).
 * @param issuer its identifier, as the rules or the server's metadata have it
 * @throws {DiscoveryError} where it says it is another, or cannot do what is needed
 * @throws {OAuthUnavailable} where it does not answer
 * @throws {UnreachableUrl} where it, or an endpoint of it, must not be asked
 */
export async function discoverServer(http: OAuthHttp, reach: Reach, issuer: string): Promise<AuthorizationServer> {
  const url = reach.check(issuer)
  if (url.search !== '') throw new DiscoveryError(`the issuer at ${url.host} has a query (RFC 8414, section 2)`)
  const path = url.pathname.replace(/\/+$/, '')
  const places = [
    `${url.origin}/.well-known/oauth-authorization-server${path}`,
    `${url.origin}/.well-known/openid-configuration${path}`,
    `${url.origin}${path}/.well-known/openid-configuration`,
  ]
  let failure: unknown
  for (const place of new Set(places))
    try {
      const { status, json } = await http.request(reach, place, { method: 'GET' })
      if (status === 200 && json !== undefined) return readServer(json, issuer, reach)
    } catch (error) {
      // One place may be served by something else; none of them is believed more for it.
      if (!(error instanceof DiscoveryError || error instanceof OAuthUnavailable)) throw error
      failure ??= error
    }
  throw failure ?? new OAuthUnavailable(`${url.host} has no metadata of an authorization server`)
}

function readServer(json: JsonObject, issuer: string, reach: Reach): AuthorizationServer {
  const { host } = new URL(issuer)
  // Compared as text, without any normalization (RFC 8414, section 3.3).
  if (json.issuer !== issuer) throw new DiscoveryError(`the metadata at ${host} is of another issuer`)
  const endpoint = (name: string): string | undefined => {
    const text = textIn(json, name)
    if (text === undefined) return undefined
    reach.check(text)
    return text
  }
  const authorizationEndpoint = endpoint('authorization_endpoint')
  const tokenEndpoint = endpoint('token_endpoint')
  if (authorizationEndpoint === undefined || tokenEndpoint === undefined)
    throw new DiscoveryError(`${host} names no authorization or token endpoint`)
  // Without it PKCE may not be there at all (MCP 2026-07-28, Authorization Code Protection).
  if (!textsIn(json, 'code_challenge_methods_supported')?.includes('S256'))
    throw new DiscoveryError(`${host} does not say that it supports PKCE with S256 (code_challenge_methods_supported)`)
  if (textsIn(json, 'response_types_supported')?.includes('code') === false)
    throw new DiscoveryError(`${host} does not give authorization codes`)
  return {
    issuer,
    authorizationEndpoint,
    tokenEndpoint,
    registrationEndpoint: endpoint('registration_endpoint'),
    revocationEndpoint: endpoint('revocation_endpoint'),
    methods: textsIn(json, 'token_endpoint_auth_methods_supported'),
    scopes: textsIn(json, 'scopes_supported') ?? [],
    saysIssuer: json.authorization_response_iss_parameter_supported === true,
    takesDocuments: json.client_id_metadata_document_supported === true,
  }
}

/** Whether an error says that something is not to be had now or not as it is, and not that the gateway is at fault. */
export function isDiscoveryFailure(error: unknown): error is Error {
  return error instanceof DiscoveryError || error instanceof OAuthUnavailable || error instanceof UnreachableUrl
}
