import type { McpServerRule } from '../config/mcp.ts'
import { McpError } from './errors.ts'
import type { Kind } from './kinds.ts'
import type { JsonObject, Tool } from './protocol.ts'
import type { Caller } from './server/server.ts'

/** Something of a server that a caller wants to see or to use. */
export interface Wanted {
  readonly server: string
  /** `tools/call`, `prompts/get`, `resources/read`, … */
  readonly method: string
  /** By the server's own name; a resource by its URI; empty where there is none. */
  readonly name: string
  /** What is known of the tool; undefined where it is none. */
  readonly tool?: Tool | undefined
  /** Undefined: only whether it is to be listed is asked. */
  readonly arguments?: JsonObject | undefined
}

export type Judgement =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly policy?: string | undefined; readonly message: string }

/** What policies say; given by those who know them. */
export type Judge = (caller: Caller, wanted: Wanted) => Judgement

/** Whether the rules want a human to approve a call. */
export type Approval = (caller: Caller, wanted: Wanted) => boolean

/** Which of a server's things exist at all for a caller: the server's own lists in the rules, and the caller's rights. */
export class Access {
  readonly #rules: ReadonlyMap<string, McpServerRule>
  readonly #judge: Judge
  readonly #approval: Approval

  constructor(rules: ReadonlyMap<string, McpServerRule>, judge: Judge, approval: Approval) {
    this.#rules = rules
    this.#judge = judge
    this.#approval = approval
  }

  /** Whether a human must approve a call. */
  needsApproval(caller: Caller, wanted: Wanted): boolean {
    return this.#approval(caller, wanted)
  }

  /** Whether it is in lists. What a policy says of arguments does not hide a tool. */
  lists(caller: Caller, kind: Kind, server: string, name: string, tool?: Tool): boolean {
    if (!caller.identity.mayUseServer(server) || !this.#shown(kind, server, name)) return false
    const method = useOf(kind)
    return this.#judge(caller, { server, method, name, tool }).allowed
  }

  /** @throws {McpError} where the rules deny it. What the caller may not even see looks as if it were not there. */
  check(caller: Caller, kind: Kind, wanted: Wanted, unknown: () => McpError): void {
    const { server, name, method, tool } = wanted
    if (!this.lists(caller, kind, server, name, tool)) throw unknown()
    if (method !== useOf(kind) && !this.#judge(caller, { ...wanted, arguments: undefined }).allowed) throw unknown()
    const judgement = this.#judge(caller, { arguments: {}, ...wanted })
    if (judgement.allowed) return
    const { policy, message } = judgement
    throw new McpError(
      200,
      -32003,
      policy === undefined ? message : `The policy ${policy} of this gateway denies this call. ${message}`,
      {
        reason: 'policy_denied',
        rule: policy === undefined ? 'policies.default' : `policies.rules.${policy}`,
        target: { server, name },
      },
    )
  }

  #shown(kind: Kind, server: string, name: string): boolean {
    const rule = this.#rules.get(server)
    if (!rule) return false
    if (kind === 'tools') return matches(rule.tools.allow, name) && !matches(rule.tools.deny, name)
    return matches(kind === 'prompts' ? rule.prompts : rule.resources, name)
  }
}

/** The request by which something is used: who may not send it may not complete it or subscribe to it either. */
function useOf(kind: Kind): string {
  return kind === 'tools' ? 'tools/call' : kind === 'prompts' ? 'prompts/get' : 'resources/read'
}

function matches(patterns: readonly string[], name: string): boolean {
  for (const pattern of patterns)
    if (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern) return true
  return false
}
