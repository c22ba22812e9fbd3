import type { Identity } from '../../identity/identity.ts'
import { McpError, ServerUnavailable } from '../../mcp/errors.ts'
import type { ServerCredentials, ServerRefusal } from '../../mcp/oauth/server-credentials.ts'
import { A2aError } from '../errors.ts'

/** What the gateway shows an agent for one caller. Nothing that the caller showed is ever passed on. */
export class AgentCredentials {
  readonly #agent: string
  readonly #credentials: ServerCredentials
  readonly #caller: { readonly identity: Identity; readonly token: string | undefined }

  constructor(
    agent: string,
    credentials: ServerCredentials,
    caller: { readonly identity: Identity; readonly token: string | undefined },
  ) {
    this.#agent = agent
    this.#credentials = credentials
    this.#caller = caller
  }

  /** @throws {A2aError} where there is nothing to show */
  async headers(): Promise<readonly (readonly [string, string])[]> {
    try {
      return await this.#credentials.headers(this.#caller)
    } catch (error) {
      throw this.#asA2a(error)
    }
  }

  /** @returns whether another try with `headers` may do better */
  async refused(refusal: ServerRefusal): Promise<boolean> {
    try {
      return await this.#credentials.refused(this.#caller, refusal)
    } catch (error) {
      throw this.#asA2a(error)
    }
  }

  /** Credentials are made by the code that makes those of MCP servers, which has words of its own. */
  #asA2a(error: unknown): unknown {
    const rule = `a2a.agents.${this.#agent}.credential`
    if (error instanceof ServerUnavailable)
      return new A2aError('unavailable', 'The gateway cannot get a token for the agent; try again later', {
        rule,
        cause: error,
      })
    if (!(error instanceof McpError)) return error
    return error.reason === 'token_needed'
      ? new A2aError('unauthenticated', 'This agent is asked with a token made from yours: authenticate with a JWT', {
          rule,
        })
      : new A2aError(
          'permissionDenied',
          'Your token cannot be exchanged for one of this agent; get a new one, or ask the operator',
          {
            rule,
            cause: error,
          },
        )
  }
}
