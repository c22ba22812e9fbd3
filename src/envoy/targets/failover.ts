import { clusterHeader, egressName } from '../names.ts'
import type { EnvoyJson } from '../xds/filters.ts'
import { mapObjects, type SelfContained } from './self-contained.ts'

/** How attempts go from one provider to the next: by composite clusters, which Envoy has from 1.37 on, or by aggregate ones. */
export type Failover = 'composite' | 'aggregate'

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const types = 'type.googleapis.com/envoy.extensions'

interface Pool extends EnvoyJson {
  name: string
  cluster_type: { typed_config: { clusters: { name: string }[] } }
  typed_extension_protocol_options: { [httpOptions]: { http_filters: EnvoyJson[] } }
}

/**
 * Writes pools for Envoys without composite clusters. An aggregate cluster's members are levels of priority, and a retry goes to the
 * first level that was not tried yet (`previous_priorities`): that is the same order.
 *
 * An aggregate does not let its members' own balancing see the request, so a pool whose server has replicas, of which a session
 * must find its own, is that server alone: it is the service that ends a second attempt then.
 */
export function withAggregates({ clusters, listeners }: SelfContained): SelfContained {
  const members = new Members(clusters)
  const others = clusters.map((cluster) => (isPool(cluster) ? withoutComposite(cluster, members) : cluster))
  return {
    clusters: [...others, ...members.copies.values()],
    listeners: listeners.map((listener) =>
      listener.name === egressName ? listener : (mapObjects(listener, retriedByPriority) as EnvoyJson),
    ),
  }
}

function isPool(cluster: EnvoyJson): cluster is Pool {
  return (cluster.cluster_type as EnvoyJson | undefined)?.name === 'envoy.clusters.composite'
}

function withoutComposite(pool: Pool, members: Members): EnvoyJson {
  const names = pool.cluster_type.typed_config.clusters.map(({ name }) => name)
  const first = members.byName.get(names[0]!)
  if (first?.load_balancing_policy !== undefined) return alone(pool, first)
  return {
    ...pool,
    cluster_type: {
      name: 'envoy.clusters.aggregate',
      typed_config: { '@type': `${types}.clusters.aggregate.v3.ClusterConfig`, clusters: members.once(names) },
    },
  }
}

/** The clusters that aggregates are made of. An aggregate knows each of its members once, so one that is to be tried again is a copy. */
class Members {
  readonly byName: ReadonlyMap<string, EnvoyJson>
  readonly copies = new Map<string, EnvoyJson>()

  constructor(clusters: readonly EnvoyJson[]) {
    this.byName = new Map(clusters.map((cluster) => [String(cluster.name), cluster]))
  }

  /** The same members, under names that are different. */
  once(names: readonly string[]): string[] {
    const seen = new Map<string, number>()
    return names.map((name) => {
      const times = (seen.get(name) ?? 0) + 1
      seen.set(name, times)
      const cluster = this.byName.get(name)
      if (times === 1 || !cluster) return name
      const copy = `${name}/${times}`
      this.copies.set(copy, { ...cluster, name: copy })
      return copy
    })
  }
}

/** A pool that is one server: its cluster, with the filters that every pool has. */
function alone(pool: Pool, server: EnvoyJson): EnvoyJson {
  const options = (server.typed_extension_protocol_options as { [httpOptions]: EnvoyJson })[httpOptions]
  const { http_filters } = pool.typed_extension_protocol_options[httpOptions]
  return {
    ...server,
    name: pool.name,
    typed_extension_protocol_options: { [httpOptions]: { ...options, http_filters } },
  }
}

/** Only routes to pools have a cluster header. */
function retriedByPriority(object: EnvoyJson): EnvoyJson {
  if (object.cluster_header !== clusterHeader) return object
  return {
    ...object,
    retry_policy: {
      ...(object.retry_policy as EnvoyJson),
      retry_priority: {
        name: 'envoy.retry_priorities.previous_priorities',
        typed_config: {
          '@type': `${types}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig`,
          update_frequency: 1,
        },
      },
    },
  }
}
