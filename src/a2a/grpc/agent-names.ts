import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import type { A2aAgentRule } from '../../config/a2a.ts'
import { A2aError } from '../errors.ts'
import { grpcService, operationNamed } from '../operations.ts'
import { messagesOf } from '../translate/schemas.ts'
import { readSingleFrame } from './frames.ts'

/**
 * Which agent a call of gRPC is for. Paths of gRPC are those of its methods, so that an agent is told by a host of its own,
 * by metadata, or by what 1.0 has for this: the tenant that the card names (`AgentInterface.tenant`).
 */

/** The metadata that names an agent, for clients of 0.3. */
export const agentHeader = 'chaperone-agent'

const services = Object.values(grpcService).map((service) => `/${service}/`)

/** Whether a path is that of a method of A2A's gRPC services. */
export function isGrpcPath(path: string): boolean {
  return services.some((service) => path.startsWith(service))
}

/** A call of gRPC, as far as it says which agent it is for. */
export interface Addressed {
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/** The names by which clients of gRPC reach agents, under one revision of the rules. */
export class AgentNames {
  readonly #byHost = new Map<string, string>()
  readonly #offered: ReadonlySet<string>

  /** @throws {RangeError} where two agents have one host */
  constructor(agents: Readonly<Record<string, A2aAgentRule>>) {
    const offered = Object.entries(agents).filter(([, { offer }]) => offer.bindings.includes('grpc'))
    this.#offered = new Set(offered.map(([name]) => name))
    for (const [name, { offer }] of offered) {
      if (offer.grpcHost === undefined) continue
      const other = this.#byHost.get(offer.grpcHost)
      if (other !== undefined)
        throw new RangeError(`a2a.agents.${name}.offer.grpcHost: ${offer.grpcHost} is the host of ${other} already`)
      this.#byHost.set(offer.grpcHost, name)
    }
  }

  /** The agent that is meant where none is named: the only one there is. */
  get only(): string | undefined {
    return this.#offered.size === 1 ? [...this.#offered][0] : undefined
  }

  /**
   * @returns the agent's name, which may be that of none
   * @throws {A2aError} where none is named, and there are several
   */
  of(call: Addressed): string {
    const authority = (call.headers.get(':authority') ?? '').toLowerCase()
    const host = authority.replace(/:\d+$/, '').replace(/\.$/, '')
    const name =
      this.#byHost.get(authority) ??
      this.#byHost.get(host) ??
      call.headers.get(agentHeader) ??
      tenantOf(call) ??
      this.only
    if (name !== undefined) return name
    throw new A2aError(
      'invalidRequest',
      `Which agent is meant is not said: name it as tenant, as its card does, or in the metadata ${agentHeader}`,
    )
  }
}

/**
 * The tenant that a request of 1.0 names, without reading the rest of it.
 * @returns undefined where it names none, or is no request
 */
function tenantOf({ path, body }: Addressed): string | undefined {
  const [, service, method = ''] = path.split('/')
  const operation = service === grpcService['1.0'] ? operationNamed(method, 'grpc', '1.0') : undefined
  if (operation === undefined) return undefined
  const field = messagesOf(operation, '1.0').request.fields.find(({ name }) => name === 'tenant')?.number
  try {
    const reader = new BinaryReader(readSingleFrame(body))
    let tenant = ''
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag()
      // Of several the last one counts, as for all readers of protobuf.
      if (number === field && type === WireType.LengthDelimited) tenant = reader.string()
      else reader.skip(type, number)
    }
    return tenant === '' ? undefined : tenant
  } catch {
    // What is wrong with it is said by whoever reads all of it.
    return undefined
  }
}
