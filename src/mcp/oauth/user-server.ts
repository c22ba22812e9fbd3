import { createHash } from 'node:crypto'
import type { Identity } from '../../identity/identity.ts'
import type { Secrets } from '../compile.ts'
import {
  type AuthorizationServer,
  DiscoveryError,
  discoverResource,
  discoverServer,
  isDiscoveryFailure,
  probe,
} from './discovery.ts'
import type { OAuthHttp } from './http.ts'
import { oauthPaths } from './paths.ts'
import { Reach } from './reach.ts'
import { forgetClient, knownClient, registeredClient } from './registration.ts'
import { canonicalResource } from './resource.ts'
import { clientMethod, type OAuthClient } from './token-endpoint.ts'
import type { UserCredentialRule } from './user-rule.ts'
import type { Vault } from './vault.ts'

/** Who authorizes for a server, and for what. */
export interface Discovered {
  readonly server: AuthorizationServer
  readonly resource: string
  /** What a user who is asked for the first time is asked for; empty: the authorization server decides. */
  readonly scopes: readonly string[]
}

export interface UserServerParts {
  readonly secrets: Secrets
  readonly http: OAuthHttp
  readonly vault: Vault
  /** `mcp.publicUrl`, without a slash at its end. */
  readonly base: string
}

/** What was discovered is believed for so long, ms. */
const discoveredMs = 600_000
/** Authorization servers of a server that are tried. */
const mostIssuers = 3

/** A server that each user authorizes for themselves, under one revision of the rules. */
export class UserServer {
  readonly name: string
  readonly url: string
  readonly rule: UserCredentialRule
  readonly reach: Reach
  readonly parts: UserServerParts
  /** Tells it from a server of the same name at another URL, or with another issuer in the rules. */
  readonly target: string
  #discovered: { what: Promise<Discovered>; untilMs: number } | undefined
  readonly #servers = new Map<string, { what: Promise<AuthorizationServer>; untilMs: number }>()

  /** @throws {RangeError} where the rule cannot be carried out */
  constructor(
    { name, url }: { readonly name: string; readonly url: string },
    rule: UserCredentialRule,
    parts: UserServerParts,
  ) {
    // A client id is one authorization server's; a server that names another must not be sent the secret (MCP 2026-07-28,
    // Authorization Server Binding).
    if (rule.clientId !== undefined && rule.issuer === undefined)
      throw new RangeError(`mcp.servers.${name}.credential.issuer: is needed beside clientId: whose client id it is`)
    if (rule.clientSecret !== undefined && rule.clientId === undefined)
      throw new RangeError(`mcp.servers.${name}.credential.clientId: is needed beside clientSecret`)
    this.name = name
    this.url = url
    this.rule = rule
    this.parts = parts
    this.target = createHash('sha256')
      .update(JSON.stringify([name, canonicalResource(url), rule.issuer ?? null]))
      .digest('base64url')
    this.reach = new Reach(url, rule.issuer === undefined ? [] : [rule.issuer])
  }

  get redirectUri(): string {
    return this.parts.base + oauthPaths.callback
  }

  /** What a user's tokens are kept by: where they belong, and whose they are. */
  grantName(identity: Identity): string {
    return `${this.target}\0${userKeyOf(identity)}`
  }

  /**
   * Who authorizes for it. Asked for at most once at a time, and again when it is old.
   * @param challenged where the server's last refusal says its metadata is
   */
  discover(challenged?: string): Promise<Discovered> {
    const now = this.parts.vault.now()
    if (challenged === undefined && this.#discovered && now < this.#discovered.untilMs) return this.#discovered.what
    const what = this.#discover(challenged)
    const kept = { what, untilMs: now + discoveredMs }
    this.#discovered = kept
    what.catch(() => {
      if (this.#discovered === kept) this.#discovered = undefined
    })
    return what
  }

  /** The metadata of an issuer that was found before. */
  issuer(issuer: string): Promise<AuthorizationServer> {
    const now = this.parts.vault.now()
    const known = this.#servers.get(issuer)
    if (known && now < known.untilMs) return known.what
    const what = discoverServer(this.parts.http, this.reach, issuer)
    const kept = { what, untilMs: now + discoveredMs }
    if (this.#servers.size >= 20) this.#servers.clear()
    this.#servers.set(issuer, kept)
    what.catch(() => {
      if (this.#servers.get(issuer) === kept) this.#servers.delete(issuer)
    })
    return what
  }

  /** The gateway, as the authorization server knows it: registered where it has to be. */
  async client(server: AuthorizationServer): Promise<OAuthClient> {
    return this.#ruled(server) ?? registeredClient(server, this.#registrar)
  }

  /** The same for a client that tokens were given to before. @returns undefined where it is none of the gateway's any more */
  async clientOf(server: AuthorizationServer, id: string): Promise<OAuthClient | undefined> {
    const ruled = this.#ruled(server)
    if (ruled) return ruled.id === id ? ruled : undefined
    if (id === this.parts.base + oauthPaths.client) return { id, method: 'none' }
    const known = await knownClient(server.issuer, this.#registrar)
    return known?.id === id ? known : undefined
  }

  /** The authorization server says it does not know the gateway: it may have forgotten. */
  async unknownTo(issuer: string): Promise<void> {
    if (this.rule.clientId === undefined) await forgetClient(issuer, this.#registrar)
  }

  get #registrar() {
    const { http, vault, base } = this.parts
    return { http, vault, base, reach: this.reach }
  }

  #ruled({ methods, issuer }: AuthorizationServer): OAuthClient | undefined {
    const { clientId: id, clientSecret } = this.rule
    if (id === undefined) return undefined
    const secret = clientSecret === undefined ? undefined : this.parts.secrets.resolve(clientSecret)
    const method = clientMethod(methods, secret !== undefined)
    if (method === undefined)
      throw new DiscoveryError(`${new URL(issuer).host} takes no way to authenticate that is known here`)
    return { id, secret, method }
  }

  async #discover(challenged: string | undefined): Promise<Discovered> {
    const { http } = this.parts
    const { rule, reach, url } = this
    const challenge = challenged === undefined ? await probe(http, reach, url) : undefined
    const metadata = await discoverResource(http, reach, url, challenged ?? challenge?.resourceMetadata)
    const listed = metadata?.issuers ?? []
    if (rule.issuer !== undefined && listed.length > 0 && !listed.includes(rule.issuer))
      throw new DiscoveryError(`${new URL(url).host} is not authorized for by the issuer that the rules name`)
    // Servers of 2025-03-26 have no metadata of their own: their origin authorizes.
    const issuers = rule.issuer !== undefined ? [rule.issuer] : listed.length > 0 ? listed : [new URL(url).origin]
    const server = await this.#first(issuers.slice(0, mostIssuers))
    return {
      server,
      resource: rule.resource ?? metadata?.resource ?? canonicalResource(url),
      scopes: this.#scopes(server, challenge?.scopes ?? metadata?.scopes ?? []),
    }
  }

  /** MCP 2026-07-28, Scope Selection Strategy; and Refresh Tokens, for offline_access. */
  #scopes(server: AuthorizationServer, asked: readonly string[]): readonly string[] {
    if (this.rule.scopes.length > 0) return this.rule.scopes
    return asked.length > 0 && server.scopes.includes('offline_access') && !asked.includes('offline_access')
      ? [...asked, 'offline_access']
      : asked
  }

  async #first(issuers: readonly string[]): Promise<AuthorizationServer> {
    let failure: unknown
    for (const issuer of issuers)
      try {
        return await this.issuer(issuer)
      } catch (error) {
        if (!isDiscoveryFailure(error)) throw error
        failure ??= error
      }
    throw failure
  }
}

/** Whom tokens belong to. */
export function userKeyOf({ kind, subject, user }: Identity): string {
  return `${kind}\0${subject}\0${user ?? ''}`
}

/** Whether an identity is one user's: what everybody shares authorizes for everybody. */
export function isOneUser({ kind, user }: Identity): boolean {
  return kind !== 'anonymous' && (kind !== 'pod' || user !== undefined)
}
