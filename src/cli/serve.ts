import { askAdmin, statisticsPath } from '../envoy/admin.ts'
import type { Transport } from '../envoy/server.ts'
import { Service } from '../service.ts'
import { apiAddress, begin, RulesError, reason, type StoreOptions } from './rules.ts'
import { stopSignal } from './signals.ts'

/** Calls under way when the service is told to stop may take this long. */
const graceMs = 10_000

/**
 * `chaperone serve`: the service alone, for an Envoy that someone else starts with the bootstrap of
 * `chaperone render --bootstrap`.
 * @returns the exit code
 */
export async function serve(
  options: {
    file?: string
    socket: string
    transport?: Transport | undefined
  } & StoreOptions,
): Promise<number> {
  let service: Service | undefined
  try {
    const noRules = () => {
      throw new RulesError(
        'There are no rules and no provider keys. Write a chaperone.yaml (see examples/) or set OPENAI_API_KEY.',
      )
    }
    const { rules, warnings, source, backend } = await begin(options, process.env, noRules, (error) =>
      service ? service.telemetry.report(error, '') : process.stderr.write(`${reason(error)}\n`),
    )
    for (const warning of warnings) process.stderr.write(`${warning}\n`)
    const { socket, transport } = options
    service = new Service({
      rules,
      source,
      backend,
      api: apiAddress(options.api, process.env),
      socket,
      transport,
      notReady: () => undefined,
      // Where the bootstrap of `chaperone render --bootstrap` puts it.
      envoyMetrics: () => askAdmin(`${socket}.envoy-admin`, statisticsPath),
    })
    await service.start()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
  process.stderr.write(`Chaperone's service listens on ${options.socket}\n`)
  await stopSignal()
  await service.stop(graceMs)
  return 0
}
