import { isIP } from 'node:net'
import type { JsonObject } from '../../json.ts'
import type { AuthorizationServer } from './discovery.ts'
import { DiscoveryError } from './discovery.ts'
import { type OAuthHttp, OAuthUnavailable, textIn } from './http.ts'
import { oauthPaths } from './paths.ts'
import { type Reach, zoneOfHost } from './reach.ts'
import { type ClientMethod, clientMethod, type OAuthClient } from './token-endpoint.ts'
import type { Vault } from './vault.ts'

/** Registrations without an end are made anew after this. */
const longestMs = 365 * 86_400_000

/** What the gateway is to authorization servers (RFC 7591, section 2). @param base its public URL */
export function clientMetadata(base: string): JsonObject {
  const local = isLocal(base)
  return {
    client_name: 'Chaperone',
    client_uri: base,
    redirect_uris: [base + oauthPaths.callback],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: local ? 'native' : 'web',
  }
}

/** The client id metadata document, for a GET of its own URL (draft-ietf-oauth-client-id-metadata-document-00, section 4). */
export function clientDocument(base: string): JsonObject {
  return { client_id: base + oauthPaths.client, ...clientMetadata(base), token_endpoint_auth_method: 'none' }
}

/** Whether only this machine's browsers reach the gateway. */
export function isLocal(base: string): boolean {
  return zoneOfHost(new URL(base).hostname) === 'loopback'
}

/** Whether an authorization server could get the document: https, and a host that is not just of this network. */
function isPublished(base: string): boolean {
  const { protocol, hostname } = new URL(base)
  return protocol === 'https:' && zoneOfHost(hostname) === 'public' && isIP(hostname) === 0
}

export interface Registrar {
  readonly http: OAuthHttp
  readonly reach: Reach
  readonly vault: Vault
  /** The gateway's public URL. */
  readonly base: string
}

/**
 * The gateway as a client of an authorization server that the rules do not register it with: by its metadata document where that
 * is taken, else registered for the asking (MCP 2026-07-28, Client Registration).
 * @throws {DiscoveryError} where neither is possible
 * @throws {OAuthUnavailable} where the registration fails
 */
export async function registeredClient(server: AuthorizationServer, registrar: Registrar): Promise<OAuthClient> {
  const { base, vault } = registrar
  if (server.takesDocuments && isPublished(base)) return { id: base + oauthPaths.client, method: 'none' }
  const known = await knownClient(server.issuer, registrar)
  if (known) return known
  if (server.registrationEndpoint === undefined)
    throw new DiscoveryError(
      `${new URL(server.issuer).host} registers no clients: register the gateway there and set clientId`,
    )
  const name = clientName(server.issuer, base)
  return vault.alone(name, async () => (await knownClient(server.issuer, registrar)) ?? register(server, registrar))
}

/** The client that was registered with an issuer (MCP 2026-07-28, Authorization Server Binding: never another's). */
export async function knownClient(
  issuer: string,
  { vault, base }: Pick<Registrar, 'vault' | 'base'>,
): Promise<OAuthClient | undefined> {
  const client = await vault.get('client', clientName(issuer, base))
  const id = textIn(client, 'id')
  const method = textIn(client, 'method') as ClientMethod | undefined
  return id !== undefined && method !== undefined ? { id, secret: textIn(client, 'secret'), method } : undefined
}

/** Forgets a registration that its authorization server forgot. */
export function forgetClient(issuer: string, { vault, base }: Pick<Registrar, 'vault' | 'base'>): Promise<void> {
  return vault.delete('client', clientName(issuer, base))
}

const clientName = (issuer: string, base: string) => `${issuer}\0${base}`

/** RFC 7591, section 3. */
async function register(
  { issuer, registrationEndpoint, methods }: AuthorizationServer,
  { http, reach, vault, base }: Registrar,
): Promise<OAuthClient> {
  const { host } = new URL(issuer)
  const asked = clientMethod(methods, true) ?? clientMethod(methods, false)
  if (asked === undefined) throw new DiscoveryError(`${host} takes no way to authenticate that is known here`)
  const { status, json } = await http.request(reach, registrationEndpoint!, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...clientMetadata(base), token_endpoint_auth_method: asked }),
  })
  const id = textIn(json, 'client_id')
  const secret = textIn(json, 'client_secret')
  if ((status !== 201 && status !== 200) || id === undefined) {
    const code = textIn(json, 'error', 60)
    const why = code !== undefined && /^[a-z_]+$/.test(code) ? ` (${code})` : ''
    throw new OAuthUnavailable(`${host} does not register the gateway: HTTP ${status}${why}`)
  }
  const given = textIn(json, 'token_endpoint_auth_method') ?? asked
  const method = clientMethod([given], secret !== undefined)
  if (method === undefined) throw new OAuthUnavailable(`${host} registers the gateway in a way that is not known here`)
  const ends = Number(json?.client_secret_expires_at)
  const untilMs = Math.min(ends > 0 ? ends * 1000 : Number.POSITIVE_INFINITY, vault.now() + longestMs)
  const client: OAuthClient = { id, method, ...(secret !== undefined && { secret }) }
  await vault.set('client', clientName(issuer, base), { ...client }, untilMs)
  return client
}
