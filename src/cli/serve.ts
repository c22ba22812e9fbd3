import { askAdmin } from '../envoy/admin.ts'
import { AttachedEnvoy } from '../envoy/attached.ts'
import type { Transport } from '../envoy/server.ts'
import { Service } from '../service.ts'
import { Predecessor, TakeoverError } from '../takeover/predecessor.ts'
import { freeSlot } from '../takeover/slots.ts'
import { beginGatewayApi, type GatewayApiOptions } from './gateway-api.ts'
import { apiAddress, begin, RulesError, reason, type StoreOptions } from './rules.ts'
import { stopSignal } from './signals.ts'

/** Calls under way when the service is told to stop may take this long. */
const graceMs = 10_000

export interface ServeOptions extends StoreOptions, GatewayApiOptions {
  file?: string
  socket: string
  transport?: Transport | undefined
  /** Whether to take the place of the service that runs, where there is one. */
  takeover?: boolean | undefined
  /** Where the admin interface of an Envoy is that somebody else tells what it is to do: a socket or `http://HOST:PORT`. */
  envoyAdmin?: string | undefined
  /** Seconds that this one may take to finish what is under way when another one takes its place. */
  farewell: number
}

/**
 * `chaperone serve`: the service alone, for an Envoy that someone else starts with the bootstrap of
 * `chaperone render --bootstrap`.
 * @returns the exit code
 */
export async function serve(options: ServeOptions): Promise<number> {
  let service: Service | undefined
  let predecessor: Predecessor | undefined
  let followed: () => void = () => undefined
  const ended = Promise.race([
    stopSignal(),
    new Promise<void>((resolve) => {
      followed = resolve
    }),
  ])
  try {
    predecessor = await Predecessor.find(options.socket)
    if (predecessor && options.takeover !== true)
      throw new TakeoverError(
        `Another service listens on ${options.socket}. Stop it, or take its place with --takeover, which loses no request.`,
      )
    const taken = predecessor?.inheritance.slots ?? []
    const slot = freeSlot(taken)
    const noRules = () => {
      throw new RulesError(
        'There are no rules and no provider keys. Write a chaperone.yaml (see examples/) or set OPENAI_API_KEY.',
      )
    }
    const report = (error: unknown) =>
      service ? service.telemetry.report(error, '') : process.stderr.write(`${reason(error)}\n`)
    const kept = { ...options, slot, taken }
    const { rules, revision, warnings, source, backend, objects } = options.gatewayApi
      ? await beginGatewayApi(kept, report)
      : await begin(kept, process.env, noRules, report)
    for (const warning of warnings) process.stderr.write(`${warning}\n`)
    const { socket, transport, envoyAdmin } = options
    service = new Service({
      rules,
      revision,
      source,
      backend,
      objects,
      api: apiAddress(options.api, process.env),
      socket,
      transport,
      predecessor,
      slot,
      followed: () => followed(),
      farewellMs: options.farewell * 1000,
      notReady: () => undefined,
      // Where the bootstrap of `chaperone render --bootstrap` puts it.
      envoyAdmin: (path) => askAdmin(envoyAdmin ?? `${socket}.envoy-admin`, path),
      attached: envoyAdmin === undefined ? undefined : new AttachedEnvoy(envoyAdmin),
    })
    await service.start()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    process.stderr.write(`${error.message}\n`)
    await service?.stop(0)
    // It goes on, unless it was told to leave.
    predecessor?.close()
    return 1
  }
  process.stderr.write(`Chaperone's service listens on ${options.socket}\n`)
  await ended
  await service.stop(graceMs)
  return 0
}
