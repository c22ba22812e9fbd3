import { createHash } from 'node:crypto'
import type { Any } from '@bufbuild/protobuf/wkt'
import { aiPaths } from '../../config/http/paths.ts'
import type { Rules } from '../../config/schema.ts'
import type { Topology } from '../../protocol.ts'
import { egressName, insideName, proxyName, responderCluster } from '../names.ts'
import { endpoints, poolClusterConfig, upstreamClusterConfig, usesEds } from './cluster.ts'
import { egressClusters } from './egress/clusters.ts'
import { egressListeners } from './egress/listeners.ts'
import { insideRoutes, proxyRoutes } from './egress/routes.ts'
import type { EnvoyJson } from './filters.ts'
import type { FilterContext } from './http/filter.ts'
import { httpResources } from './http/resources.ts'
import { trialListeners } from './http/trial.ts'
import { egressListener, responderClusterConfig } from './inner.ts'
import { certificatesOf, listenerConfigs } from './listener.ts'
import { encodeResource, type ResourceType, resourceTypes } from './registry.ts'
import { aiRoutes, routeConfig } from './route.ts'
import { certificateSecret, inlineSecret, validationSecret, validationSecretName } from './secret.ts'
import { collectorCluster } from './tracing.ts'

/** What references of the rules stand for. */
export type Values = Pick<FilterContext, 'resolve' | 'document'>

/** Everything Envoy is told, in its JSON form, by type and name. */
export type EnvoyConfig = Record<ResourceType, Map<string, EnvoyJson>>

/** A resource as it is served: its version is a hash of its content. */
export interface VersionedResource {
  version: string
  resource: Any
}
export type ResourceSet = Record<ResourceType, Map<string, VersionedResource>> & {
  /** By the name of a route configuration: a listener that is nowhere, to try the routes out in. */
  trials?: Map<string, VersionedResource & { name: string }>
}

/**
 * The Envoy configuration that these rules mean.
 * @param socket path of the service's unix socket
 * @param values of references; without it the references stand in the values' places
 */
export function envoyConfig(
  rules: Rules,
  topology: Topology,
  socket: string,
  values: Values = { resolve: (reference) => reference, document: (reference) => reference },
): EnvoyConfig {
  const { document } = values
  const maxRequestBytes = Math.max(0, ...Object.values(rules.listeners).map((listener) => listener.maxRequestBytes))
  const https = topology.upstreams.filter((upstream) => upstream.scheme === 'https')
  const secrets = new Map(
    https.map((upstream) => [validationSecretName(upstream.caFile), validationSecret(upstream.caFile, document)]),
  )
  for (const [name, { tls }] of Object.entries(rules.listeners)) {
    if (!tls) continue
    for (const { certificateFile, keyFile, secret } of certificatesOf(name, tls))
      secrets.set(secret, certificateSecret(secret, certificateFile, keyFile, document))
    if (tls.clientCaFile !== undefined)
      secrets.set(validationSecretName(tls.clientCaFile), validationSecret(tls.clientCaFile, document))
  }
  const collector = collectorCluster(rules.telemetry)
  const ai = aiRoutes(topology.routeClasses, maxRequestBytes, topology.responds === true, aiPaths(rules))
  const routes = routeConfig(ai)
  const http = httpResources({ rules, ...values }, ai)
  for (const [name, secret] of http.secret) secrets.set(name, secret)
  const egress = Object.entries(rules.listeners)
    .filter(([, { serves }]) => serves.includes('egress'))
    .map(([name, { transparent }]) => ({ name, transparent }))
  const delegations = Object.keys(rules.a2a.agents).length > 0
  return {
    cluster: new Map([
      ...topology.upstreams.map((upstream) => [upstream.id, upstreamClusterConfig(upstream)] as const),
      ...topology.pools.map((pool) => [pool.id, poolClusterConfig(pool)] as const),
      ...(topology.responds ? [[responderCluster, responderClusterConfig(socket)] as const] : []),
      ...(collector ? [[collector.name as string, collector] as const] : []),
      ...http.cluster,
      ...egressClusters(egress).map((cluster) => [String(cluster.name), cluster] as const),
    ]),
    endpoint: new Map([
      ...topology.upstreams.filter(usesEds).map((upstream) => [upstream.id, endpoints(upstream)] as const),
      ...http.endpoint,
    ]),
    secret: secrets,
    listener: new Map([
      ...Object.entries(rules.listeners).flatMap(([name, rule]) =>
        rule.serves.includes('egress')
          ? egressListeners({
              name,
              rule,
              telemetry: rules.telemetry,
              delegations,
              authority: rules.egress.authority !== undefined,
            })
          : listenerConfigs(name, rule, {
              telemetry: rules.telemetry,
              delegations,
              http: http.listeners.get(name),
              passthrough: http.passthrough.get(name),
            }),
      ),
      ...(topology.responds ? [[egressName, egressListener(socket)] as const] : []),
    ]),
    route: new Map([
      // No listener would ask for it where each has routes of plain HTTP.
      ...(http.listeners.size + egress.length < Object.keys(rules.listeners).length
        ? [[String(routes.name), routes] as const]
        : []),
      ...http.route,
      ...egress.flatMap(({ name }) => [
        [proxyName(name), proxyRoutes(name, ai, topology.plain ?? [])] as const,
        [insideName(name), insideRoutes(name, ai)] as const,
      ]),
    ]),
  }
}

/** Encodes a configuration. @throws {Error} where a resource is not of its type: a bug, not a user's mistake */
export function encodeConfig(config: EnvoyConfig): ResourceSet {
  const set = emptyResourceSet()
  for (const type of resourceTypes) for (const [name, json] of config[type]) set[type].set(name, encode(type, json))
  const trials = trialListeners(config).map(
    ([routes, json]) => [routes, { name: String(json.name), ...encode('listener', json) }] as const,
  )
  return { ...set, trials: new Map(trials) }
}

/** Encodes a certificate that is not in a file. */
export function encodeSecret(name: string, certificate: { chain: string; key: string }): VersionedResource {
  return encode('secret', inlineSecret(name, certificate))
}

function encode(type: ResourceType, json: EnvoyJson): VersionedResource {
  const resource = encodeResource(type, json)
  return { resource, version: createHash('sha256').update(resource.value).digest('hex').slice(0, 16) }
}

/** A set with nothing in it. */
export function emptyResourceSet(): ResourceSet {
  return { cluster: new Map(), endpoint: new Map(), secret: new Map(), listener: new Map(), route: new Map() }
}
