import type { EnvoyJson } from '../xds/filters.ts'
import type { EnvoyConfig } from '../xds/resources.ts'

/** Clusters and listeners that need no control plane: endpoints, routes and secrets stand where they are used. */
export interface SelfContained {
  clusters: EnvoyJson[]
  listeners: EnvoyJson[]
}

/** How a use of a secret is written, by the secret's name; undefined: the secret itself stands there. */
export type SecretSource = (name: string) => EnvoyJson | undefined

/**
 * Writes a configuration that is made for ADS without it.
 * @param secretSource where secrets are read from
 * @throws {Error} where something would still be asked of a control plane: a bug
 */
export function selfContained(config: EnvoyConfig, secretSource: SecretSource = () => undefined): SelfContained {
  const secrets = new Secrets(config.secret, secretSource)
  const clusters = [...config.cluster.values()].map((cluster) => secrets.in(withEndpoints(cluster, config.endpoint)))
  const listeners = [...config.listener.values()].map((listener) => secrets.in(withRoutes(listener, config.route)))
  const left = JSON.stringify({ clusters, listeners })
  if (left.includes('"ads":')) throw new Error('the configuration asks for ADS, which is not there')
  return { clusters: clusters as EnvoyJson[], listeners: listeners as EnvoyJson[] }
}

/** What Envoy would ask for over EDS. */
function withEndpoints(cluster: EnvoyJson, endpoints: ReadonlyMap<string, EnvoyJson>): EnvoyJson {
  if (cluster.type !== 'EDS') return cluster
  const { eds_cluster_config: _, ...rest } = cluster
  return { ...rest, type: 'STATIC', load_assignment: endpoints.get(String(cluster.name)) }
}

/** What Envoy would ask for over RDS. */
function withRoutes(value: unknown, routes: ReadonlyMap<string, EnvoyJson>): unknown {
  return mapObjects(value, (object) => {
    const { rds, ...rest } = object
    if (!isObject(rds)) return object
    // Routes name clusters by a header; those that name them outright are in the same file.
    return { ...rest, route_config: { ...routes.get(String(rds.route_config_name)), validate_clusters: false } }
  })
}

/** Secrets in the places of the references to them. */
class Secrets {
  readonly #secrets: ReadonlyMap<string, EnvoyJson>
  readonly #source: SecretSource

  constructor(secrets: ReadonlyMap<string, EnvoyJson>, source: SecretSource) {
    this.#secrets = secrets
    this.#source = source
  }

  in(value: unknown): unknown {
    return mapObjects(value, (object) => {
      const {
        tls_certificate_sds_secret_configs: certificates,
        validation_context_sds_secret_config: validation,
        combined_validation_context: combined,
        ...rest
      } = object
      return {
        ...rest,
        ...(Array.isArray(certificates) && this.#certificates(certificates.map(({ name }) => String(name)))),
        ...(isObject(validation) && this.#validation(String(validation.name))),
        ...(isObject(combined) && this.#combined(combined)),
      }
    })
  }

  /** What is said at the place of use, and a secret beside it: by now the secret itself, or where it is from. */
  #combined(combined: EnvoyJson): EnvoyJson {
    const { default_validation_context: own, validation_context: secret } = combined as Record<string, EnvoyJson>
    return secret ? { validation_context: { ...own, ...secret } } : { combined_validation_context: combined }
  }

  #certificates(names: string[]): EnvoyJson {
    const sources = names.map((name) => this.#source(name))
    return sources.every((source) => source !== undefined)
      ? { tls_certificate_sds_secret_configs: names.map((name, n) => ({ name, sds_config: sources[n] })) }
      : { tls_certificates: names.map((name) => this.#value(name).tls_certificate) }
  }

  #validation(name: string): EnvoyJson {
    const sds_config = this.#source(name)
    return sds_config
      ? { validation_context_sds_secret_config: { name, sds_config } }
      : { validation_context: this.#value(name).validation_context }
  }

  /** Envoy watches files for what comes over SDS only, and takes a directory to watch for a mistake elsewhere. */
  #value(name: string): EnvoyJson {
    const secret = this.#secrets.get(name)
    if (!secret) throw new Error(`there is no secret ${name}`)
    return mapObjects(secret, ({ watched_directory: _, ...rest }) => rest) as EnvoyJson
  }
}

function isObject(value: unknown): value is EnvoyJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Changes every object in a value, the inner ones first. */
export function mapObjects(value: unknown, change: (object: EnvoyJson) => EnvoyJson): unknown {
  if (Array.isArray(value)) return value.map((each) => mapObjects(each, change))
  if (!isObject(value)) return value
  return change(Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapObjects(each, change)])))
}
