import type { McpCredentialRule } from '../../config/mcp.ts'
import { isLocal } from './registration.ts'
import { type CredentialParts, type ServerCredentials, serverCredentials } from './server-credentials.ts'
import { UserCredentials } from './user-credentials.ts'
import type { UserCredentialRule } from './user-rule.ts'
import { UserServer } from './user-server.ts'
import type { Vault } from './vault.ts'

export interface OAuthParts extends CredentialParts {
  readonly vault: Vault
  /** `mcp.publicUrl` of the rules. */
  readonly publicUrl: string | undefined
}

/**
 * What the gateway shows a server, for one revision of the rules. Where users authorize it is a `UserCredentials`, whose `server`
 * is what the pages of `Authorizations` need.
 * @param server its name and URL in the rules
 * @throws {RangeError} where the rule cannot be carried out
 */
export function compileCredentials(
  server: { readonly name: string; readonly url: string },
  rule: McpCredentialRule | UserCredentialRule | undefined,
  parts: OAuthParts,
): ServerCredentials {
  if (rule?.type !== 'user') return serverCredentials(server, rule, parts)
  return new UserCredentials(new UserServer(server, rule, { ...parts, base: baseOf(server.name, parts.publicUrl) }))
}

/**
 * The redirect URI stands on it: it is the same whoever asks, and not what a request says (MCP 2026-07-28, Communication
 * Security: https, or this machine).
 */
function baseOf(server: string, publicUrl: string | undefined): string {
  if (publicUrl === undefined)
    throw new RangeError(
      `mcp.publicUrl: is needed by mcp.servers.${server}.credential: where users' browsers come back to`,
    )
  const { protocol, search, hash, username, password } = new URL(publicUrl)
  if (protocol !== 'https:' && !isLocal(publicUrl))
    throw new RangeError('mcp.publicUrl: must be https:// where users authorize, but on this machine')
  if (search !== '' || hash !== '' || username !== '' || password !== '')
    throw new RangeError('mcp.publicUrl: must not hold a user name, a password, a query or a fragment')
  return publicUrl.replace(/\/+$/, '')
}
