/** The gateway's own pages of the OAuth flow, below its public URL. They are outside of /mcp/, where endpoints have their names. */
export const oauthPaths = {
  /** The page that a user opens first. */
  start: '/mcp-oauth/start',
  /** Where authorization servers send the user back to: the redirect URI. */
  callback: '/mcp-oauth/callback',
  /** The client id metadata document; its URL is the gateway's client id. */
  client: '/mcp-oauth/client.json',
} as const

/** Where RFC 9728, section 3 puts the metadata of a protected resource. */
export const resourceWellKnown = '/.well-known/oauth-protected-resource'
