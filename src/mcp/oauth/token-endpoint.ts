import type { OAuthHttp } from './http.ts'
import { OAuthUnavailable, textIn } from './http.ts'
import type { Reach } from './reach.ts'

/** How the gateway says who it is (RFC 7591, section 2: token_endpoint_auth_method). */
export type ClientMethod = 'client_secret_basic' | 'client_secret_post' | 'none'

/** The gateway, as an authorization server knows it. */
export interface OAuthClient {
  readonly id: string
  readonly secret?: string | undefined
  readonly method: ClientMethod
}

/** What a token endpoint gave (RFC 6749, section 5.1). */
export interface IssuedToken {
  readonly accessToken: string
  /** Undefined: it does not say. */
  readonly lifeMs: number | undefined
  readonly refreshToken: string | undefined
  /** Undefined: those that were asked for. */
  readonly scopes: readonly string[] | undefined
}

/** A token endpoint refused, in OAuth's own words (RFC 6749, section 5.2). */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  /** `invalid_grant`, `invalid_client`, …; `unknown` where it says none. */
  readonly code: string

  constructor(host: string, code: string) {
    super(`${host} gives no token: ${code}`)
    this.code = code
  }

  /** Whether it is the gateway that is refused, and not the one whose token it is. */
  get ofClient(): boolean {
    return this.code === 'invalid_client' || this.code === 'unauthorized_client'
  }
}

/** What may stand in an Authorization header after `Bearer `. */
const tokenForm = /^[\x21-\x7e]{1,16384}$/
const codeForm = /^[a-z][a-z0-9_]{0,59}$/
const longestLifeS = 10 * 365 * 86_400

/**
 * Asks a token endpoint.
 * @param form the grant and its parameters
 * @throws {TokenRefused} where it says no
 * @throws {OAuthUnavailable} where it says nothing that can be used
 * @throws {UnreachableUrl}
 */
export async function requestToken(
  http: OAuthHttp,
  reach: Reach,
  endpoint: string,
  client: OAuthClient,
  form: Readonly<Record<string, string>>,
): Promise<IssuedToken> {
  const { headers, body } = tokenRequest(client, form)
  const { status, json } = await http.request(reach, endpoint, { method: 'POST', headers, body })
  const { host } = new URL(endpoint)
  // Some answer an error with 200.
  const code = textIn(json, 'error')
  if (code !== undefined || (status >= 400 && status < 500 && status !== 408 && status !== 429))
    throw new TokenRefused(host, code !== undefined && codeForm.test(code) ? code : 'unknown')
  const accessToken = textIn(json, 'access_token', 16_384)
  if (status !== 200 || accessToken === undefined || !tokenForm.test(accessToken))
    throw new OAuthUnavailable(`${host} answers ${status} without a token`)
  const type = textIn(json, 'token_type')
  // A token that needs a proof of possession is of no use without it. Where no type is said it is the usual one.
  if (type !== undefined && type.toLowerCase() !== 'bearer')
    throw new OAuthUnavailable(`${host} gives a token of another type than Bearer`)
  const life = Number(json?.expires_in)
  return {
    accessToken,
    lifeMs: json?.expires_in !== undefined && life > 0 ? Math.min(life, longestLifeS) * 1000 : undefined,
    refreshToken: textIn(json, 'refresh_token', 16_384),
    scopes: textIn(json, 'scope', 20_000)?.split(' ').filter(Boolean),
  }
}

/** The request as bytes (RFC 6749, section 2.3.1). */
export function tokenRequest(
  { id, secret, method }: OAuthClient,
  form: Readonly<Record<string, string>>,
): { headers: Record<string, string>; body: string } {
  const fields = new URLSearchParams(form)
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  if (method === 'client_secret_basic' && secret !== undefined)
    headers.authorization = `Basic ${Buffer.from(`${formEncoded(id)}:${formEncoded(secret)}`).toString('base64')}`
  else {
    fields.set('client_id', id)
    if (method === 'client_secret_post' && secret !== undefined) fields.set('client_secret', secret)
  }
  return { headers, body: fields.toString() }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

/**
 * The way to say who the gateway is that an authorization server takes (RFC 8414, section 2).
 * @param supported `token_endpoint_auth_methods_supported`; without it, client_secret_basic is what all must take
 * @returns undefined where it takes none that is known here
 */
export function clientMethod(supported: readonly string[] | undefined, hasSecret: boolean): ClientMethod | undefined {
  if (!hasSecret) return supported === undefined || supported.includes('none') ? 'none' : undefined
  const known = ['client_secret_basic', 'client_secret_post'] as const
  return known.find((method) => (supported ?? ['client_secret_basic']).includes(method))
}
