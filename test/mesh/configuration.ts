import type { EnvoyJson } from '../../src/envoy/xds/filters.ts'

/** A proxy's whole configuration, as a mesh's control plane would have it in hand before it sends it. */
export interface Configuration {
  clusters: EnvoyJson[]
  listeners: Listener[]
}

export interface Listener extends EnvoyJson {
  name: string
  filter_chains?: Chain[]
  default_filter_chain?: Chain
}

export interface Chain {
  filters: { name: string; typed_config: EnvoyJson }[]
}

/** The same as one file, for an Envoy that is started with it. */
export function asBootstrap({ clusters, listeners }: Configuration, adminSocket: string): EnvoyJson {
  return {
    node: { id: 'proxy', cluster: 'mesh' },
    admin: { address: { pipe: { path: adminSocket, mode: 0o600 } } },
    static_resources: { clusters, listeners },
  }
}

export const typed = (type: string, fields: EnvoyJson = {}) => ({ '@type': `type.googleapis.com/${type}`, ...fields })

export const managerName = 'envoy.filters.network.http_connection_manager'
export const manager = (fields: EnvoyJson) => ({
  name: managerName,
  typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', fields),
})
export const router = {
  name: 'envoy.filters.http.router',
  typed_config: typed('envoy.extensions.filters.http.router.v3.Router'),
}
