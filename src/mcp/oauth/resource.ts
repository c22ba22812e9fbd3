/**
 * The URI that a server is known by to authorization servers (MCP 2026-07-28, Canonical Server URI; RFC 8707, section 2): scheme
 * and host in lower case, no fragment, no slash where the path is nothing else.
 */
export function canonicalResource(url: string): string {
  const parsed = new URL(url)
  parsed.hash = ''
  const text = parsed.href
  return parsed.pathname === '/' && parsed.search === '' ? text.replace(/\/$/, '') : text
}

/** Whether a resource is the server, or something that holds it: the same origin, and a path that the server's begins with. */
export function holdsServer(resource: string, serverUrl: string): boolean {
  if (!URL.canParse(resource)) return false
  const outer = new URL(resource)
  const inner = new URL(serverUrl)
  if (outer.origin !== inner.origin || outer.origin === 'null' || outer.hash !== '') return false
  if (outer.search !== '' && outer.search !== inner.search) return false
  const path = outer.pathname.endsWith('/') ? outer.pathname : `${outer.pathname}/`
  return `${inner.pathname}/`.startsWith(path)
}
