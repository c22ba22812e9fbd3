/** Names on which the Envoy configuration and the service must agree, each said once. */

/** The cluster that is this service, in every bootstrap. */
export const serviceCluster = 'chaperone'

/** Set by stage 1, read by the route's `cluster_header`, removed by the route. Whatever a client sends is overwritten. */
export const clusterHeader = 'x-chaperone-cluster'
/** Set by stage 1 to choose the route with the plan's timeouts and retries; removed by the route. */
export const routeHeader = 'x-chaperone-route'

/**
 * The request id is also the key of the plan. Envoy makes it; where a client was allowed to choose it, stage 1 takes
 * it only if no live plan has it.
 */
export const requestIdHeader = 'x-request-id'

/** Endpoint metadata that names the upstream; stage 2 reads it from `xds.upstream_host_metadata`. */
export const metadataNamespace = 'chaperone'
export const upstreamMetadataAttribute = 'xds.upstream_host_metadata'

/**
 * The last member of every pool is the service itself, under this upstream id: an attempt there means that every
 * target has failed, and stage 2 answers it in the client's format. Nothing is ever sent to it.
 */
export const exhaustedUpstream = 'exhausted'

/** The route configuration all listeners share. */
export const routeConfigName = 'agents'

/** The cluster of the service's own HTTP server, and the route that leads there. */
export const responderCluster = 'responder'
export const responderRoute = 'responder'
/** Connections to it that Envoy has had no use for during this time it closes. */
export const idleConnectionMs = 10_000
/** The listener by which the service's own calls go out, and its routes. */
export const egressName = 'egress'

/** Names the host that a call of the service's own went to, and, on the way out, the one that it is to go to. */
export const hostHeader = 'x-chaperone-host'

/** Names the host of the chosen cluster that a request is to go to, `IP:port`. Set or taken off by stage 1, and taken off by stage 2. */
export const destinationHeader = 'x-chaperone-destination'

/**
 * What a decision about caught traffic says to Envoy: the address to go to, and the tunnel that is opened, which Envoy tells with each
 * request inside of it. And what a caught connection says to the service: where it was going.
 */
export const addressHeader = 'x-chaperone-address'
export const tunnelHeader = 'x-chaperone-tunnel'
export const caughtHeader = 'x-chaperone-caught'
/** Routes of tunnels, and of requests that go on as they are. */
export const tunnelRoute = 'egress-tunnel'
export const forwardRoute = 'egress-forward'
/** Clusters that go to the address that a decision says: as it is, or with TLS of Envoy's own. */
export const outsideCluster = 'outside'
export const outsideTlsCluster = 'outside-tls'
/** The internal listener, and its cluster, that opens the tunnels of a listener, and the one that its caught connections go to. */
export function insideName(listener: string): string {
  return `egress/${listener}/inside`
}
export function proxyName(listener: string): string {
  return `egress/${listener}/proxy`
}

/** All of these, as decisions about caught traffic say them. */
export const egressNames = {
  clusterHeader,
  routeHeader,
  addressHeader,
  tunnelHeader,
  caughtHeader,
  tunnelRoute,
  forwardRoute,
  outside: outsideCluster,
  outsideTls: outsideTlsCluster,
  inside: insideName,
}

/** The name of the secret with the certificate for connections that ask for no server name. Others are named by the server name. */
export const noServerName = 'egress/no-server-name'

/** The unix sockets beside the service's own: of its HTTP server, and of Envoy's listener for its calls. */
export function responderSocket(socket: string): string {
  return `${socket}.http`
}
export function egressSocket(socket: string): string {
  return `${socket}.egress`
}
