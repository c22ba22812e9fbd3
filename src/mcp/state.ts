import type { McpRule } from '../config/mcp.ts'
import { durationMs } from '../config/primitives.ts'
import type { Approval, Judge } from './access.ts'
import { Approvals, type Approvers } from './approval/approvals.ts'
import { LegacyFront } from './client/legacy.ts'
import { Listening } from './client/listening.ts'
import { ModernFront } from './client/modern.ts'
import { ResumableStreams } from './client/resume.ts'
import { Sessions } from './client/session.ts'
import { compileMcp, type McpRules, type Secrets, sealKeysOf, urlOf } from './compile.ts'
import type { McpContext } from './context.ts'
import type { ToolFilter } from './federation.ts'
import { type Gate, McpProtocol } from './mcp.ts'
import { Authorizations } from './oauth/authorizations.ts'
import { compileCredentials } from './oauth/compile.ts'
import { OAuthHttp } from './oauth/http.ts'
import { OAuthPages } from './oauth/pages.ts'
import type { TokenStore } from './oauth/token-store.ts'
import { UserCredentials } from './oauth/user-credentials.ts'
import { Vault } from './oauth/vault.ts'
import { Sealer } from './seal.ts'
import { Egress } from './server/egress.ts'
import { ServerPool } from './server/pool.ts'
import { Tasks } from './tasks/tasks.ts'

/** What MCP needs of the rest of the gateway, whatever the rules. */
export interface McpOptions {
  /** Path of the unix socket of Envoy's listener for the service's own calls. */
  egressSocket: string
  clusterHeader: string
  secrets: Secrets
  /** Where what users authorized is kept. */
  tokens: TokenStore
  /** Seals where the rules have no keys; default: one of its own. */
  ownKey?: Uint8Array | undefined
  report(error: unknown, requestId: string): void
}

/** One revision of the MCP rules, not yet in force. */
export interface CompiledMcp {
  readonly rules: McpRules
  readonly protocol: McpProtocol
  /** The protocol for one server alone; undefined: no client may ask it. */
  single(server: string): McpProtocol | undefined
  /** Puts it into force: streams go on with it, servers that are gone end. */
  activate(): void
}

/** What of MCP lives longer than a revision of the rules: servers, sessions, streams. */
export class McpState {
  readonly #options: McpOptions
  readonly #sealer: Sealer
  readonly #vault: Vault
  readonly #egress: Egress
  readonly #http = new OAuthHttp()
  readonly #pool: ServerPool
  readonly #sessions: Sessions
  readonly #tasks: Tasks
  readonly #listening: Listening
  readonly #resumable: ResumableStreams

  constructor(options: McpOptions) {
    this.#options = options
    this.#sealer = new Sealer([], options.ownKey)
    this.#sessions = new Sessions(this.#sealer, 0)
    this.#tasks = new Tasks(this.#sealer)
    this.#listening = new Listening(this.#tasks)
    this.#resumable = new ResumableStreams(this.#sealer)
    this.#vault = new Vault(options.tokens, this.#sealer)
    this.#egress = new Egress(options.egressSocket, options.clusterHeader)
    this.#pool = new ServerPool(
      this.#egress,
      options.secrets,
      (name, rule, publicUrl) => {
        if (rule.type === 'stdio') return { headers: () => [], refused: () => false }
        const parts = { secrets: options.secrets, http: this.#http, vault: this.#vault, publicUrl }
        return compileCredentials({ name, url: urlOf(name, rule) }, rule.credential, parts)
      },
      (error) => options.report(error, ''),
    )
  }

  /**
   * @param decisions what the policies and the pins say
   * @throws {RangeError} where the rules cannot be carried out
   */
  compile(
    rule: McpRule,
    gate: Gate,
    decisions: { judge: Judge; approval: Approval; approvers: Approvers; filter: ToolFilter },
    context: McpContext,
  ): CompiledMcp {
    const keys = sealKeysOf(rule, this.#options.secrets)
    const lifetimeS = durationMs(rule.sessions.lifetime) / 1000
    const rules = compileMcp(rule, {
      ...decisions,
      server: (name, server, upstream) => this.#pool.server(name, server, upstream, rule.publicUrl),
    })
    const sessions = this.#sessions
    const approvals = this.#approvalsOf(rule, decisions.approvers)
    const fronts = {
      legacy: new LegacyFront(
        context,
        this.#sealer,
        sessions,
        this.#listening,
        this.#tasks,
        this.#resumable,
        approvals,
      ),
      modern: new ModernFront(context, this.#sealer, this.#listening, this.#tasks, approvals),
    }
    const options = { keepAliveMs: durationMs(rule.keepAlive), publicUrl: rule.publicUrl }
    const singles = new Map(
      [...rules.single].map(([server, endpoint]) => [
        server,
        new McpProtocol(new Map([[endpoint.path, endpoint]]), gate, context, fronts, {
          ...options,
          pages: undefined,
          approvals: undefined,
        }),
      ]),
    )
    return {
      rules,
      protocol: new McpProtocol(rules.endpoints, gate, context, fronts, {
        ...options,
        pages: this.#pagesOf(rule, rules),
        approvals,
      }),
      single: (server) => singles.get(server),
      activate: () => {
        this.#sealer.use(keys)
        sessions.lifetimeS = lifetimeS
        const all = [...rules.endpoints.values(), ...rules.single.values()]
        const endpoints = new Map(all.map((endpoint) => [endpoint.name, endpoint]))
        this.#pool.keep(rules.servers)
        this.#listening.move(endpoints)
      },
    }
  }

  /** @throws {RangeError} where a page is wanted, and nobody knows where it would be */
  #approvalsOf({ publicUrl, servers }: McpRule, approvers: Approvers): Approvals | undefined {
    if (publicUrl !== undefined) return new Approvals(this.#vault, publicUrl.replace(/\/+$/, ''), approvers)
    for (const [name, { approval, approvalBy }] of Object.entries(servers))
      if (approval !== undefined && approvalBy === 'url')
        throw new RangeError(`mcp.servers.${name}.approvalBy: url needs mcp.publicUrl, where the page is`)
    return undefined
  }

  /** The pages by which users authorize; none where the rules do not say where the gateway is. */
  #pagesOf({ publicUrl }: McpRule, { servers }: McpRules): OAuthPages | undefined {
    if (publicUrl === undefined) return undefined
    const base = publicUrl.replace(/\/+$/, '')
    const users = new Map(
      servers.flatMap(({ name, credentials }) =>
        credentials instanceof UserCredentials ? [[name, credentials.server] as const] : [],
      ),
    )
    const authorizations = new Authorizations({
      vault: this.#vault,
      base,
      server: (name) => users.get(name),
      report: (error) => this.#options.report(error, ''),
    })
    // What was hidden may be seen now.
    return new OAuthPages({ authorizations, base, authorized: () => this.#listening.toolsChanged() })
  }

  /** Other tools are approved than before. */
  toolsChanged(): void {
    this.#listening.toolsChanged()
  }

  /** Ends streams that only listen, in the ways of their eras; their clients come again. */
  endStreams(): void {
    this.#listening.stop()
  }

  /** Ends streams, then the servers. */
  async stop(): Promise<void> {
    this.endStreams()
    this.#pool.close()
    await this.#egress.close()
    await this.#http.close()
  }
}
