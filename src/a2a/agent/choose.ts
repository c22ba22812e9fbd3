import type { AgentInterface } from '../card/read-card.ts'
import { A2aError } from '../errors.ts'
import type { Wire } from '../operations.ts'

/**
 * The interface to ask an agent by: the client's own wire where it has that, else one of the client's version, as between
 * versions something may be lost and between bindings nothing is, else the first.
 * @param interfaces in the order of preference
 * @throws {A2aError} where there is none
 */
export function chooseInterface(interfaces: readonly AgentInterface[], { binding, version }: Wire): AgentInterface {
  const chosen =
    interfaces.find((one) => one.version === version && one.binding === binding) ??
    interfaces.find((one) => one.version === version) ??
    interfaces[0]
  if (chosen) return chosen
  throw new A2aError('unavailable', 'The agent has no interface that the gateway may use; its operator has to look')
}
