/** The address of an API, taken apart once when the rules are compiled. */
export interface Endpoint {
  scheme: 'http' | 'https'
  /** For connecting: an IPv6 address stands without brackets. */
  host: string
  port: number
  /** For `:authority`: brackets kept, the scheme's default port left out. */
  authority: string
  /** The base path without a slash at its end; empty where there is none. */
  path: string
}

/**
 * Takes a provider's base URL apart.
 * @param provider the provider's name in the rules, for the message
 * @throws {RangeError} where the URL holds a user name, a password, a query or a fragment, none of which would be sent
 */
export function parseEndpoint(provider: string, baseUrl: string): Endpoint {
  const url = new URL(baseUrl)
  if (url.username || url.password || url.search || url.hash)
    throw new RangeError(`providers.${provider}.baseUrl: must not hold a user name, a password, a query or a fragment`)
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port ? Number(url.port) : scheme === 'https' ? 443 : 80,
    authority: url.host,
    path: url.pathname.replace(/\/{2,}/g, '/').replace(/\/$/, ''),
  }
}

/**
 * Checks a part of the rules that becomes part of a host name: a region or a location.
 * @throws {RangeError} where it could change the host
 */
export function hostLabel(provider: string, field: string, value: string): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(value))
    throw new RangeError(`providers.${provider}.${field}: must be lower-case letters, digits and dashes, not ${value}`)
  return value
}
