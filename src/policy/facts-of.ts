import type { Identity } from '../identity/identity.ts'
import type { Facts, RequestFacts } from './facts.ts'

/** Facts for tests and for explanations: whatever is not said is a plain chat request of nobody. */
export function factsOf(
  given: {
    request?: Partial<RequestFacts> | undefined
    identity?: Partial<Omit<Identity, 'mayUseModel' | 'mayUseServer'>> | undefined
    model?: string | undefined
    parameters?: Record<string, unknown> | undefined
    tool?: Facts['tool']
    agent?: Facts['agent']
    now?: Date | undefined
    spent?: Record<string, number> | undefined
  } = {},
): Facts {
  const { spent = {} } = given
  return {
    request: {
      id: 'test',
      method: 'POST',
      path: '/v1/chat/completions',
      listener: 'default',
      operation: 'chat',
      stream: false,
      bytes: 100,
      ...given.request,
    },
    identity: {
      kind: 'anonymous',
      subject: 'anonymous',
      claims: {},
      mayUseModel: () => true,
      mayUseServer: () => true,
      ...given.identity,
    },
    model: given.model ?? '',
    parameters: given.parameters ?? {},
    tool: given.tool,
    agent: given.agent,
    now: given.now ?? new Date(),
    spent: (budget) => spent[budget] ?? 0,
  }
}
