import { bootstrap } from '../envoy/bootstrap.ts'
import type { Transport } from '../envoy/server.ts'
import { resourceTypes } from '../envoy/xds/registry.ts'
import { encodeConfig, envoyConfig } from '../envoy/xds/resources.ts'
import { withA2a, withMcp } from '../gateway.ts'
import { HealthBook } from '../llm/balance.ts'
import { compileLlm } from '../llm/compile.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import { RulesError, rulesFor } from './rules.ts'

/**
 * `chaperone render`: prints the Envoy configuration as one JSON object, resources by type.
 * @param write where it goes
 * @returns the exit code
 */
export async function render(
  options: {
    file?: string
    socket: string
    transport?: Transport | undefined
    bootstrap?: boolean
  },
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
    const { rules } = await rulesFor(options.file, process.env, () => 'http://127.0.0.1:4010/v1')
    // Credentials are not part of Envoy's configuration: none is read here.
    const llm = compileLlm(
      rules,
      { resolve: (reference) => reference },
      new HealthBook(),
      new ExpressionCompiler(Object.keys(rules.budgets)),
    )
    const config = envoyConfig(rules, withA2a(withMcp(llm.topology, rules.mcp), rules.a2a), options.socket)
    encodeConfig(config)
    const resources = Object.fromEntries(resourceTypes.map((type) => [type, [...config[type].values()]]))
    write(`${JSON.stringify(resources, null, 2)}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof RulesError) && !(error instanceof RangeError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}
