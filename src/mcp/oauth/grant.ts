import type { JsonObject } from '../../json.ts'
import { textIn, textsIn } from './http.ts'
import type { IssuedToken } from './token-endpoint.ts'

/** What a user authorized: the tokens, and whose they are. */
export interface Grant {
  /** Who gave them; they are refreshed there and nowhere else. */
  readonly issuer: string
  readonly clientId: string
  readonly resource: string
  readonly accessToken: string
  /** When the access token ends, Unix milliseconds; undefined: nobody said. */
  readonly expiresMs: number | undefined
  readonly refreshToken: string | undefined
  readonly scopes: readonly string[]
  /** Unix milliseconds. */
  readonly gotMs: number
}

/** How long what can be refreshed is kept without being used. */
const refreshableMs = 90 * 86_400_000
/** How long what has no end is kept. */
const endlessMs = 30 * 86_400_000

/** What came of a token request. @param before what the answer need not say again: scopes, and the refresh token */
export function grantOf(
  token: IssuedToken,
  before: Pick<Grant, 'issuer' | 'clientId' | 'resource' | 'scopes'> & { readonly refreshToken?: string | undefined },
  nowMs: number,
): Grant {
  const { issuer, clientId, resource } = before
  return {
    issuer,
    clientId,
    resource,
    accessToken: token.accessToken,
    expiresMs: token.lifeMs === undefined ? undefined : nowMs + token.lifeMs,
    // No new one means that the old one goes on (RFC 6749, section 6).
    refreshToken: token.refreshToken ?? before.refreshToken,
    scopes: token.scopes ?? before.scopes,
    gotMs: nowMs,
  }
}

/** Until when it is kept, Unix milliseconds. */
export function keptUntil({ refreshToken, expiresMs, gotMs }: Grant): number {
  return refreshToken !== undefined ? gotMs + refreshableMs : (expiresMs ?? gotMs + endlessMs)
}

/** @returns undefined where it is none */
export function readGrant(json: JsonObject | undefined): Grant | undefined {
  const issuer = textIn(json, 'issuer')
  const clientId = textIn(json, 'clientId')
  const resource = textIn(json, 'resource')
  const accessToken = textIn(json, 'accessToken', 16_384)
  if (issuer === undefined || clientId === undefined || resource === undefined || accessToken === undefined)
    return undefined
  return {
    issuer,
    clientId,
    resource,
    accessToken,
    expiresMs: typeof json?.expiresMs === 'number' ? json.expiresMs : undefined,
    refreshToken: textIn(json, 'refreshToken', 16_384),
    scopes: textsIn(json, 'scopes') ?? [],
    gotMs: typeof json?.gotMs === 'number' ? json.gotMs : 0,
  }
}
