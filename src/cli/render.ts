import { bootstrap } from '../envoy/bootstrap.ts'
import type { Transport } from '../envoy/server.ts'
import { resourceTypes } from '../envoy/xds/registry.ts'
import { encodeConfig, envoyConfig } from '../envoy/xds/resources.ts'
import { topologyOf } from '../gateway.ts'
import { HealthBook } from '../llm/balance.ts'
import { compileLlm } from '../llm/compile.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import { type GatewayApiOptions, statusesOf, translated } from './gateway-api.ts'
import { renderTarget, type TargetOptions } from './render-target.ts'
import { RulesError, rulesFor } from './rules.ts'

export interface RenderOptions extends GatewayApiOptions, Partial<TargetOptions> {
  file?: string
  socket: string
  transport?: Transport | undefined
  bootstrap?: boolean
  /** With objects of the Gateway API: print their statuses, or the rules that they mean. */
  status?: boolean
  rules?: boolean
}

/**
 * `chaperone render`: prints the Envoy configuration as one JSON object, resources by type; with a target, what an Envoy
 * needs that is somebody else's.
 * @param write where it goes
 * @returns the exit code
 */
export async function render(
  options: RenderOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  if (options.bootstrap) {
    const json = bootstrap({
      nodeId: 'chaperone',
      socket: options.socket,
      transport: options.transport,
      adminSocket: `${options.socket}.envoy-admin`,
    })
    write(`${JSON.stringify(json, null, 2)}\n`)
    return 0
  }
  try {
    const { rules, file, objects } = options.gatewayApi
      ? { ...translated(options), file: undefined }
      : { ...(await rulesFor(options.file, process.env, () => 'http://127.0.0.1:4010/v1')), objects: undefined }
    if (objects && (options.status || options.rules)) {
      write(`${JSON.stringify(options.rules ? rules : statusesOf(objects), null, 2)}\n`)
      return 0
    }
    // Credentials are not part of Envoy's configuration: none is read here.
    const llm = compileLlm(
      rules,
      { resolve: (reference) => reference },
      new HealthBook(),
      new ExpressionCompiler(Object.keys(rules.budgets)),
    )
    const { socket, target } = options
    const topology = topologyOf(llm.topology, rules)
    const config = envoyConfig(rules, topology, socket, target && { resolve: noSecrets, document: noSecrets })
    encodeConfig(config)
    if (target) {
      renderTarget({ ...options, target }, { rules, config, socket, rulesFile: file }, write)
      return 0
    }
    const resources = Object.fromEntries(resourceTypes.map((type) => [type, [...config[type].values()]]))
    write(`${JSON.stringify(resources, null, 2)}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof RulesError) && !(error instanceof RangeError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

/** What is rendered for somebody else's Envoy is in force as it stands, and lies around in files. */
function noSecrets(reference: string): never {
  throw new RangeError(
    `${reference} would have to stand in Envoy's own configuration, in clear: keys that Envoy itself looks at (apiKey on routes of http) cannot be rendered for a target. Let the service look at them: identity: { accept: [key] }.`,
  )
}
