import { isOn } from '../../../config/http/order.ts'
import type { Rules } from '../../../config/schema.ts'
import type { EnvoyJson } from '../filters.ts'
import { validationSecret, validationSecretName } from '../secret.ts'
import { serviceCluster, serviceEndpoints, serviceSecrets, serviceUsesEds } from './cluster.ts'
import type { FilterContext } from './filter.ts'
import { jwksCluster } from './filters/jwt.ts'
import { type AiRoutes, type ListenerHttp, listenerHttp } from './listener.ts'
import { jwksClusterName, serviceClusterName } from './names.ts'
import { passthroughChain } from './passthrough.ts'

type Named = readonly [name: string, json: EnvoyJson]

/** What plain HTTP adds to Envoy's configuration. */
export interface HttpResources {
  readonly cluster: readonly Named[]
  readonly endpoint: readonly Named[]
  readonly secret: readonly Named[]
  readonly route: readonly Named[]
  /** Listeners that are not as they are with AI traffic only. */
  readonly listeners: ReadonlyMap<string, ListenerHttp>
  /** Chains of connections whose TLS is not terminated, by listener. */
  readonly passthrough: ReadonlyMap<string, readonly EnvoyJson[]>
}

/** Envoy's configuration of plain HTTP. */
export function httpResources(context: FilterContext, ai: AiRoutes): HttpResources {
  const { rules } = context
  const services = Object.entries(rules.http.services)
  const jwks = jwksClusters(rules)
  const listeners = new Map<string, ListenerHttp>()
  const route: Named[] = []
  for (const name of Object.keys(rules.listeners)) {
    const made = listenerHttp(name, context, ai)
    if (!made) continue
    listeners.set(name, made.chain)
    for (const routes of made.routes) route.push([String(routes.name), routes])
  }
  return {
    cluster: [
      ...services.map(([name, service]) => [serviceClusterName(name), serviceCluster(name, service)] as const),
      ...jwks.clusters,
    ],
    endpoint: services
      .filter(([, service]) => serviceUsesEds(service))
      .map(([name, service]) => [serviceClusterName(name), serviceEndpoints(name, service)] as const),
    secret: [
      ...services.flatMap(([name, service]) => serviceSecrets(name, service, context.document)),
      ...jwks.secrets,
    ],
    route,
    listeners,
    passthrough: new Map(
      Object.entries(rules.listeners).map(([name, { serves }]) => [
        name,
        rules.http.passthrough
          .filter((rule) => serves.includes('passthrough') && isOn(rule, name))
          .map((rule) => passthroughChain(name, rule, rules.telemetry)),
      ]),
    ),
  }
}

/** Where Envoy fetches the keys of the issuers that routes name. */
function jwksClusters({ http, identities }: Rules): { clusters: Named[]; secrets: Named[] } {
  const named = new Set(http.routes.flatMap(({ jwt }) => jwt?.issuers ?? []))
  const remote = [...named].flatMap((name) => {
    const uri = identities.issuers[name]?.jwksUri
    return uri === undefined ? [] : [[name, uri] as const]
  })
  return {
    clusters: remote.map(([name, uri]) => [jwksClusterName(name), jwksCluster(name, uri)]),
    secrets: remote.some(([, uri]) => uri.startsWith('https:'))
      ? [[validationSecretName(undefined), validationSecret(undefined)]]
      : [],
  }
}
