import type { Rules } from '../../config/schema.ts'
import { markerOf } from '../attached.ts'
import type { EnvoyJson } from '../xds/filters.ts'
import type { EnvoyConfig } from '../xds/resources.ts'
import { validationSecretName } from '../xds/secret.ts'
import { type Failover, withAggregates } from './failover.ts'
import { type SecretSource, type SelfContained, selfContained } from './self-contained.ts'

/** What a target is made of. */
export interface TargetInput {
  rules: Rules
  /** What the rules mean, as it would be served over ADS. */
  config: EnvoyConfig
  /** The service's unix socket, as Envoy sees it. */
  socket: string
  /** The target's own choice where absent. */
  failover?: Failover | undefined
  /** PEM file of the system's authorities, where Envoy runs. */
  systemCaFile: string
  /** Where Envoy reads what is made, for targets of several files. */
  directory: string
  /** The Kubernetes namespace. */
  namespace: string
  /** The version of the service's image. */
  version: string
}

/** One file of a target: YAML documents. */
export interface TargetFile {
  name: string
  /** What stands above it, for people. */
  comment: string
  documents: readonly object[]
}

/** Makes the files of one target. @throws {RangeError} where the rules ask for what the target cannot give */
export type Target = (input: TargetInput) => TargetFile[]

/**
 * The configuration of a target, with nothing in it that a control plane of ours would serve.
 * @throws {RangeError} where the rules cannot do without one
 */
export function configFor(input: TargetInput, failover: Failover, secretSource?: SecretSource): SelfContained {
  if (egressListener(input.rules) !== undefined && input.rules.egress.authority !== undefined)
    throw new RangeError(
      'egress.authority: its certificates are made when Envoy asks for them, over ADS; they cannot be rendered. Take it out, or have the service tell Envoy everything.',
    )
  const made = selfContained(
    { ...input.config, secret: secretsFor(input.config.secret, input.systemCaFile) },
    secretSource,
  )
  const { clusters, listeners } = (input.failover ?? failover) === 'aggregate' ? withAggregates(made) : made
  const marker = { name: markerOf(input.config), type: 'STATIC', connect_timeout: '1s' }
  return { clusters: [...clusters, marker], listeners }
}

/** @returns the name of a listener that serves egress */
function egressListener({ listeners }: Rules): string | undefined {
  return Object.entries(listeners).find(([, { serves }]) => serves.includes('egress'))?.[0]
}

/** For targets whose bootstrap is not ours. @throws {RangeError} */
export function refuseEgress(rules: Rules, mesh: string): void {
  const name = egressListener(rules)
  if (name !== undefined)
    throw new RangeError(
      `listeners.${name}.serves: egress needs what ${mesh}'s bootstrap may not have (internal listeners). Leave it out; agents name the gateway by their base URLs.`,
    )
}

/** The system's authorities are those of the machine that Envoy runs on, not of the one that renders. */
export function secretsFor(secrets: ReadonlyMap<string, EnvoyJson>, systemCaFile: string): Map<string, EnvoyJson> {
  const system = validationSecretName(undefined)
  const validation_context = { trusted_ca: { filename: systemCaFile } }
  return new Map([
    ...secrets,
    ...(secrets.has(system) ? [[system, { name: system, validation_context }] as const] : []),
  ])
}
