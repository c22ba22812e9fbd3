/**
 * Where gRPC is spoken. A channel has a host and a port and no path, so that cards say `planner.example.com:443`; the
 * specification's examples have URLs.
 */

const target = /^(?:dns:(?:\/\/[^/]*\/)?)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/
const schemes: Record<string, 'http' | 'https'> = {
  'http:': 'http',
  'https:': 'https',
  'grpc:': 'http',
  'grpcs:': 'https',
}

/**
 * What a card says of a gRPC interface, as a URL of http (no TLS) or https.
 * @param text `HOST:PORT`, a name as gRPC resolves it (`dns:///HOST:PORT`), or a URL
 * @param secure whether TLS is spoken where the text does not say
 * @returns undefined where it is none of these
 */
export function readTarget(text: string, secure: boolean): URL | undefined {
  const [, host, port] = target.exec(text) ?? []
  // gRPC's own default, with TLS or without.
  if (host !== undefined) return parsed(`${secure ? 'https' : 'http'}://${host}:${port ?? '443'}`)
  const [, scheme = '', rest = ''] = /^([a-z]+:)\/\/(.*)$/is.exec(text) ?? []
  const known = schemes[scheme.toLowerCase()]
  return known && parsed(`${known}://${rest}`)
}

/**
 * `HOST:PORT`, as clients of gRPC are told where something is.
 * @param base where clients reach the gateway, a URL of http or https
 * @param host another host for gRPC; without a port it has that of `base`
 */
export function targetOf(base: string, host?: string): string {
  const { protocol, hostname, port } = new URL(base)
  const asked = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  if (host === undefined) return `${hostname}:${asked}`
  return /:\d+$/.test(host) ? host : `${host}:${asked}`
}

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
