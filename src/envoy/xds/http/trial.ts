import { routeConfigName } from '../../names.ts'
import type { EnvoyJson } from '../filters.ts'

interface Chain {
  filters: { name: string; typed_config: EnvoyJson & { rds?: { route_config_name: string } } }[]
}

/** Routes that the rules did not write. */
function ours(routes: string): boolean {
  return routes === routeConfigName || routes.startsWith('egress/')
}

/**
 * Listeners to try out routes in: they are as the ones that will have the routes, but take no connections and hold the routes
 * themselves, so that Envoy says at once what it thinks of them.
 * @returns by the name of the route configuration
 */
export function trialListeners(config: {
  listener: ReadonlyMap<string, EnvoyJson>
  route: ReadonlyMap<string, EnvoyJson>
}): [routes: string, listener: EnvoyJson][] {
  const trials: [string, EnvoyJson][] = []
  for (const listener of config.listener.values()) {
    for (const { filters } of listener.filter_chains as Chain[])
      for (const { name, typed_config } of filters) {
        const { rds, ...manager } = typed_config
        const routes = rds && config.route.get(rds.route_config_name)
        // Routes of AI traffic are of our own making; those of HTTP/3 are TCP's as well.
        if (!routes || ours(rds.route_config_name) || manager.codec_type === 'HTTP3') continue
        const trial = { ...manager, route_config: { ...routes, validate_clusters: false } }
        trials.push([
          rds.route_config_name,
          {
            name: `trial/${rds.route_config_name}`,
            address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
            bind_to_port: false,
            filter_chains: [{ filters: [{ name, typed_config: trial }] }],
          },
        ])
      }
  }
  return trials
}
