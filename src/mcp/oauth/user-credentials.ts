import { Lru } from '../../identity/lru.ts'
import { McpError, ServerUnavailable } from '../errors.ts'
import { Backoff } from './backoff.ts'
import { confirmWith, keptBack } from './confirmation.ts'
import { isDiscoveryFailure } from './discovery.ts'
import { type Grant, grantOf, keptUntil, readGrant } from './grant.ts'
import { OAuthUnavailable } from './http.ts'
import { type AuthorizationNeeded, ConfirmationNeeded } from './needed.ts'
import { readChallenge } from './read-challenge.ts'
import { bearer, type CredentialCaller, type ServerCredentials, type ServerRefusal } from './server-credentials.ts'
import { isTicketUsed, newTicket, type Ticket } from './ticket.ts'
import { type GoodToken, type Shown, TokenCache } from './token-cache.ts'
import { requestToken, TokenRefused, tokenRequest } from './token-endpoint.ts'
import { TokenStoreError } from './token-store.ts'
import { isOneUser, type UserServer } from './user-server.ts'

type Asked = Pick<Ticket, 'scopes' | 'metadata'>
const nothingMore: Asked = { scopes: [], metadata: undefined }

/** How long a token is shown without asking the store, ms: one that was taken back elsewhere is shown no longer. */
const trustMs = 60_000
/** A token is refreshed so long before it ends, ms. */
const earlyMs = 60_000
/** A token that was refused so soon after it came is not refreshed, ms: the next would be refused as well. */
const youngMs = 10_000
/** Calls of the same moment get the same page, ms. */
const sameMs = 30_000

/** Each user's own tokens for one server (OAuth 2.1, authorization code). */
export class UserCredentials implements ServerCredentials {
  readonly server: UserServer
  readonly #cache: TokenCache
  readonly #backoff: Backoff
  readonly #asked = new Lru<
    string,
    { readonly needed: AuthorizationNeeded; readonly key: string; readonly untilMs: number }
  >(10_000)

  constructor(server: UserServer) {
    this.server = server
    this.#cache = new TokenCache(server.parts.vault.now)
    this.#backoff = new Backoff(server.parts.vault.now)
  }

  headers(caller: CredentialCaller): Shown | Promise<Shown> {
    const name = this.#nameOf(caller)
    return this.#cache.headers(name, () => this.#worded(() => this.#load(caller, name)))
  }

  /** MCP 2026-07-28, Token Handling and Step-Up Authorization Flow. */
  refused(caller: CredentialCaller, { status, wwwAuthenticate, shown }: ServerRefusal): Promise<boolean> {
    const name = this.#nameOf(caller)
    const challenge = readChallenge(wwwAuthenticate)
    return this.#worded(async () => {
      const grant = await this.#grant(name)
      if (grant && !isShown(grant, shown)) {
        this.#cache.forget(name)
        return true
      }
      const metadata = challenge?.resourceMetadata
      if (status === 403) {
        const wanted = challenge?.error === 'insufficient_scope' ? (challenge.scopes ?? []) : []
        // What was granted already and is not enough will not be enough the next time.
        if (!grant || wanted.every((scope) => grant.scopes.includes(scope))) return false
        return this.#ask(caller, name, { scopes: [...new Set([...grant.scopes, ...wanted])], metadata })
      }
      this.#cache.forget(name)
      const young = grant && this.#now() - grant.gotMs < youngMs
      if (grant?.refreshToken !== undefined && !young && (await this.#refreshed(name, grant))) return true
      if (grant && !young) await this.#end(name, grant)
      return this.#ask(caller, name, { scopes: [...(grant?.scopes ?? []), ...(challenge?.scopes ?? [])], metadata })
    })
  }

  /**
   * Puts into force what a user authorized, once they give the code that the page showed.
   * @throws {ConfirmationNeeded} where it is another code
   * @throws {AuthorizationNeeded} where there is nothing (any more) that could be confirmed
   */
  confirm(caller: CredentialCaller, code: string): Promise<void> {
    const name = this.#nameOf(caller)
    return this.#worded(async () => {
      const { vault } = this.server.parts
      const id = await keptBack(vault, name)
      const outcome = await confirmWith(vault, name, code)
      if (outcome === 'none') return void (await this.#ask(caller, name, nothingMore))
      if (outcome === 'wrong') throw new ConfirmationNeeded(this.server.name, id ?? '', true)
      this.#cache.forget(name)
    })
  }

  /** Forgets what a user authorized, and tells the authorization server (RFC 7009). */
  disconnect(caller: CredentialCaller): Promise<void> {
    const name = this.#nameOf(caller)
    return this.#worded(async () => {
      const grant = await this.#grant(name)
      this.#cache.forget(name)
      if (grant) await this.#end(name, grant)
    })
  }

  async #load(caller: CredentialCaller, name: string): Promise<GoodToken> {
    let grant = await this.#grant(name)
    if (!grant) return this.#ask(caller, name, nothingMore)
    const now = this.#now()
    if (grant.expiresMs !== undefined && now >= grant.expiresMs - earlyMs) {
      const good = now < grant.expiresMs
      try {
        const refreshed = grant.refreshToken === undefined ? undefined : await this.#refreshed(name, grant)
        if (!refreshed && (!good || grant.refreshToken !== undefined))
          return this.#ask(caller, name, { ...nothingMore, scopes: grant.scopes })
        grant = refreshed ?? grant
      } catch (error) {
        // The authorization server is away, and the token is still good.
        if (!good || error instanceof McpError) throw error
      }
    }
    return {
      headers: bearer(grant.accessToken),
      untilMs: Math.min(grant.expiresMs ?? Number.POSITIVE_INFINITY, this.#now() + trustMs),
    }
  }

  /**
   * A new access token for a refresh token, which most authorization servers take once: asked for by one process at a time, and
   * not at all where another has done it.
   * @returns undefined where the grant is over
   */
  #refreshed(name: string, old: Grant): Promise<Grant | undefined> {
    const { vault, http } = this.server.parts
    return vault.alone(name, async () => {
      const grant = await this.#grant(name)
      if (!grant || grant.accessToken !== old.accessToken) return grant
      if (grant.refreshToken === undefined) return undefined
      if (this.#backoff.waiting)
        throw new OAuthUnavailable(`${new URL(grant.issuer).host} failed a moment ago and is not asked again yet`)
      const server = await this.server.issuer(grant.issuer)
      const client = await this.server.clientOf(server, grant.clientId)
      if (!client) {
        await this.#end(name, grant)
        return undefined
      }
      try {
        const { refreshToken, resource } = grant
        const form = { grant_type: 'refresh_token', refresh_token: refreshToken, resource }
        const token = await requestToken(http, this.server.reach, server.tokenEndpoint, client, form)
        const next = grantOf(token, grant, this.#now())
        this.#backoff.succeeded()
        await vault.set('grant', name, { ...next }, keptUntil(next))
        return next
      } catch (error) {
        if (!this.#isOver(error)) {
          this.#backoff.failed()
          throw error
        }
        if (error.ofClient) await this.server.unknownTo(grant.issuer)
        await this.#end(name, grant)
        return undefined
      }
    })
  }

  /** Whether a refresh failed for good. A secret in the rules that is wrong is the operator's to put right: nobody's grant ends. */
  #isOver(error: unknown): error is TokenRefused {
    if (!(error instanceof TokenRefused)) return false
    return error.code === 'invalid_grant' || (error.ofClient && this.server.rule.clientId === undefined)
  }

  /** Forgets a grant; what is left of it is revoked, if the authorization server cares. */
  async #end(name: string, grant: Grant): Promise<void> {
    const { vault } = this.server.parts
    await vault.delete('grant', name)
    await this.#revoke(grant).catch(() => undefined)
  }

  async #revoke({ issuer, clientId, refreshToken, accessToken }: Grant): Promise<void> {
    const server = await this.server.issuer(issuer)
    const client = await this.server.clientOf(server, clientId)
    if (!client || server.revocationEndpoint === undefined) return
    const { headers, body } = tokenRequest(client, { token: refreshToken ?? accessToken })
    await this.server.parts.http.request(this.server.reach, server.revocationEndpoint, {
      method: 'POST',
      headers,
      body,
    })
  }

  async #grant(name: string): Promise<Grant | undefined> {
    return readGrant(await this.server.parts.vault.get('grant', name))
  }

  /** @throws {ConfirmationNeeded | AuthorizationNeeded} always */
  async #ask(caller: CredentialCaller, name: string, asked: Asked): Promise<never> {
    const { vault } = this.server.parts
    const kept = await keptBack(vault, name)
    if (kept !== undefined) throw new ConfirmationNeeded(this.server.name, kept)
    const key = JSON.stringify(asked)
    const before = this.#asked.get(name)
    const fresh = before?.key === key && this.#now() < before.untilMs
    if (fresh && !(await isTicketUsed(vault, before.needed.elicitationId))) throw before.needed
    const needed = newTicket(this.server, caller.identity, asked)
    this.#asked.set(name, { needed, key, untilMs: this.#now() + sameMs })
    throw needed
  }

  #nameOf({ identity }: CredentialCaller): string {
    if (isOneUser(identity)) return this.server.grantName(identity)
    throw new McpError(
      200,
      -32003,
      `The MCP server ${this.server.name} is authorized by each user, and you did not show who you are: authenticate.`,
      { reason: 'identity_needed', rule: `mcp.servers.${this.server.name}.credential` },
    )
  }

  async #worded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      if (error instanceof TokenStoreError)
        throw this.#unavailable('What users authorized at the MCP server cannot be looked up', error)
      if (isDiscoveryFailure(error) || error instanceof TokenRefused)
        throw this.#unavailable('The authorization server of the MCP server fails', error)
      throw error
    }
  }

  #unavailable(what: string, cause: Error): ServerUnavailable {
    return new ServerUnavailable(this.server.name, `${what} ${this.server.name}.`, cause)
  }

  #now(): number {
    return this.server.parts.vault.now()
  }
}

function isShown({ accessToken }: Grant, shown: Shown): boolean {
  return shown[0]?.[1] === `Bearer ${accessToken}`
}
