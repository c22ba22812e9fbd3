import type { Transport } from '../envoy/server.ts'
import { Service } from '../service.ts'
import { RulesError, rulesFor } from './rules.ts'
import { stopSignal } from './signals.ts'

/** Calls under way when the service is told to stop may take this long. */
const graceMs = 10_000

/**
 * `chaperone serve`: the service alone, for an Envoy that someone else starts with the bootstrap of
 * `chaperone render --bootstrap`.
 * @returns the exit code
 */
export async function serve(options: {
  file?: string
  socket: string
  transport?: Transport | undefined
  /** The file of virtual keys. */
  keys?: string | undefined
}): Promise<number> {
  let service: Service
  try {
    const { rules, file, warnings } = await rulesFor(options.file, process.env, () => {
      throw new RulesError(
        'There are no rules and no provider keys. Write a chaperone.yaml (see examples/) or set OPENAI_API_KEY.',
      )
    })
    for (const warning of warnings) process.stderr.write(`${warning}\n`)
    const { socket, transport } = options
    service = await Service.open({
      rules,
      file,
      keysFile: options.keys,
      socket,
      transport,
      notReady: () => undefined,
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
