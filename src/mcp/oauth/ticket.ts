import { randomBytes } from 'node:crypto'
import type { Identity } from '../../identity/identity.ts'
import { textIn, textsIn } from './http.ts'
import { AuthorizationNeeded } from './needed.ts'
import { oauthPaths } from './paths.ts'
import type { UserServer } from './user-server.ts'
import type { Vault } from './vault.ts'

/** What the URL that a user opens holds, sealed: who asked, and for what. */
export interface Ticket {
  /** The elicitation. */
  readonly id: string
  readonly server: string
  /** What the tokens will be kept by. */
  readonly grant: string
  /** Whom the page asks whether it is them. */
  readonly who: string
  /** What the server asked for beyond the usual. */
  readonly scopes: readonly string[]
  /** Where the server said its metadata is. */
  readonly metadata: string | undefined
}

/** How long a user may take to open the page, and to come back from the authorization server, ms. */
export const ticketMs = 600_000

/** Makes the URL for a user. */
export function newTicket(
  server: UserServer,
  identity: Identity,
  asked: Pick<Ticket, 'scopes' | 'metadata'>,
): AuthorizationNeeded {
  const { vault, base } = server.parts
  const id = randomBytes(16).toString('base64url')
  const who = identity.user ?? identity.subject
  const ticket: Ticket = { id, server: server.name, grant: server.grantName(identity), who, ...asked }
  const sealed = vault.seal('ticket', { ...ticket }, vault.now() + ticketMs)
  return new AuthorizationNeeded(server.name, `${base}${oauthPaths.start}?ticket=${sealed}`, id)
}

export function readTicket(vault: Vault, text: string): Ticket | 'invalid' | 'expired' {
  const json = vault.open('ticket', text)
  if (typeof json === 'string') return json
  const [id, server, grant, who] = ['id', 'server', 'grant', 'who'].map((name) => textIn(json, name))
  if (id === undefined || server === undefined || grant === undefined || who === undefined) return 'invalid'
  return { id, server, grant, who, scopes: textsIn(json, 'scopes') ?? [], metadata: textIn(json, 'metadata') }
}

/** A ticket leads to the authorization server once. @returns whether this was the time */
export function useTicket(vault: Vault, id: string): Promise<boolean> {
  return vault.useUp(`ticket ${id}`, vault.now() + ticketMs)
}

export function isTicketUsed(vault: Vault, id: string): Promise<boolean> {
  return vault.isUsedUp(`ticket ${id}`)
}
