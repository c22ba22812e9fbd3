import { coversHost } from '../config/http/order.ts'

/** Host names of listeners and routes. `*` means all. */

/**
 * The hosts that a listener and a route have in common (HTTPRoute.spec.hostnames); empty where there is none.
 * @param listener `*` where it has none
 */
export function commonHosts(listener: string, route: readonly string[]): string[] {
  if (route.length === 0) return [listener]
  const common = route.flatMap((host) => {
    if (coversHost(listener, host)) return [host]
    return coversHost(host, listener) ? [listener] : []
  })
  return [...new Set(common)]
}

/** Greater for hosts that come first: exact ones, then the longer wildcard. Hosts of one rank never mean the same request but where they are equal. */
export function hostRank(host: string): number {
  if (host === '*') return 0
  return host.startsWith('*.') ? host.length : 1000
}
