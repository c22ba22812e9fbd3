/** What a translation depends on beside the objects. */
export interface TranslateOptions {
  /** Which GatewayClasses are ours. */
  readonly controller: string
  /** The time for conditions that change, ISO 8601. */
  readonly now: string
  /** The IP address that listeners listen on. */
  readonly bind: string
  /** The port that a port of a Gateway is on this machine. */
  portOf(port: number): number
  /** Ports that are taken, and what by. */
  readonly taken: ReadonlyMap<number, string>
  /** Where clients reach the Gateways, for their statuses. */
  readonly addresses: readonly { readonly type: 'IPAddress' | 'Hostname'; readonly value: string }[]
  /** The Gateways that are served here, `namespace/name`; undefined: all of our classes. */
  readonly only?: ReadonlySet<string> | undefined
  /** Whether Services without EndpointSlices are reached by their DNS names: with objects of files, which have none. */
  readonly dns: boolean
  /** Whether our own kinds may name addresses of this machine, which in a cluster is the gateway's own pod. */
  readonly local: boolean
}

/** Ports below 1024 need rights that a gateway's container does not have: they are 10000 higher, and a Service maps them. */
export function shifted(port: number): number {
  return port < 1024 ? port + 10_000 : port
}
