import { createHash, randomBytes } from 'node:crypto'
import type { Identity } from '../../identity/identity.ts'
import { oauthPaths } from './paths.ts'
import { isLocal } from './registration.ts'
import { isOneUser, userKeyOf } from './user-server.ts'

/** What a browser's request says of who uses it. */
export interface Browser {
  /** The header Cookie. */
  readonly cookie: string | undefined
  /** The header Origin. */
  readonly origin?: string | undefined
  /** Who it proved to be: by a client certificate, or a token that a proxy puts on its requests. */
  readonly identity?: Identity | undefined
}

const lifeS = 1200
const valueForm = /^[\w-]{43}$/

/** The name: with the prefix that lets no other host set it where there is TLS. */
const nameFor = (base: string) => (base.startsWith('https:') ? '__Host-chaperone-oauth' : 'chaperone-oauth')

/** What tells one browser from another while it authorizes. @returns undefined where it has none yet */
export function browserId({ cookie }: Browser, base: string): string | undefined {
  if (cookie === undefined || cookie.length > 16_384) return undefined
  const start = `${nameFor(base)}=`
  const found = cookie.split(';').flatMap((part) => {
    const text = part.trim()
    return text.startsWith(start) ? [text.slice(start.length)] : []
  })
  // Two of the same name: one of them was set by somebody else.
  return found.length === 1 && valueForm.test(found[0]!) ? found[0] : undefined
}

/** Set-Cookie for one that has none. Lax: it must come along when the authorization server sends the user back. */
export function newBrowserCookie(base: string): string {
  const secure = base.startsWith('https:')
  const path = secure ? 'Path=/; Secure' : `Path=${oauthPaths.start.slice(0, oauthPaths.start.lastIndexOf('/'))}`
  return `${nameFor(base)}=${randomBytes(32).toString('base64url')}; ${path}; HttpOnly; SameSite=Lax; Max-Age=${lifeS}`
}

/** For what is bound to a browser: not the cookie itself. */
export const browserDigest = (id: string) => createHash('sha256').update(id).digest('base64url')

/** Who uses it, against who should: `unknown` where it does not show. @param user as `userKeyOf` gives it */
export function isSameUser({ identity }: Browser, user: string): 'same' | 'other' | 'unknown' {
  if (!identity || !isOneUser(identity) || identity.kind === 'pod') return 'unknown'
  return userKeyOf(identity) === user ? 'same' : 'other'
}

/** Whether it must be of this machine: nobody else's browser comes to the gateway by a loopback URL. */
export const isOwnMachine = isLocal
