import { bootstrap } from '../bootstrap.ts'
import type { EnvoyJson } from '../xds/filters.ts'
import type { SelfContained } from './self-contained.ts'
import { configFor, type Target } from './target.ts'

/** An Envoy that is told everything by its bootstrap. */
export const envoyStatic: Target = (input) => [
  {
    name: 'bootstrap.yaml',
    comment:
      'The whole configuration of an Envoy without a control plane. To merge it into one of yours, take what is below static_resources.',
    documents: [staticBootstrap(configFor(input, 'composite'), input.socket)],
  },
]

/** A bootstrap with everything in it. @param socket path of the service's unix socket */
export function staticBootstrap({ clusters, listeners }: SelfContained, socket: string): EnvoyJson {
  const { dynamic_resources: _, static_resources, ...rest } = ownBootstrap(socket)
  const { clusters: service } = static_resources
  return { ...rest, static_resources: { clusters: [...service, ...clusters], listeners } }
}

/** The bootstrap for ADS, of which other targets take what they need. */
export function ownBootstrap(socket: string) {
  return bootstrap({ nodeId: 'chaperone', socket, adminSocket: `${socket}.envoy-admin` }) as EnvoyJson & {
    static_resources: { clusters: [EnvoyJson] }
  }
}

/** The cluster of the service itself. */
export function serviceClusterConfig(socket: string): EnvoyJson {
  return ownBootstrap(socket).static_resources.clusters[0]
}
