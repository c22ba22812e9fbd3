import { Environment } from '@marcbachmann/cel-js'
import type { AgentFacts, Facts, RequestFacts, ToolFacts } from './facts.ts'

/**
 * The variables that expressions see, with their types. Whole numbers are `int`; what is not known is an empty string, so
 * that a comparison is false rather than an error.
 */

class RequestView {
  readonly #facts: RequestFacts
  constructor(facts: RequestFacts) {
    this.#facts = facts
  }
  get id(): string {
    return this.#facts.id
  }
  get method(): string {
    return this.#facts.method
  }
  get path(): string {
    return this.#facts.path
  }
  get listener(): string {
    return this.#facts.listener
  }
  get route(): string {
    return this.#facts.route ?? ''
  }
  get operation(): string {
    return this.#facts.operation
  }
  get stream(): boolean {
    return this.#facts.stream
  }
  get bytes(): bigint {
    return BigInt(this.#facts.bytes)
  }
}

const none: readonly string[] = []

class IdentityView {
  readonly #identity: Facts['identity']
  constructor(identity: Facts['identity']) {
    this.#identity = identity
  }
  get kind(): string {
    return this.#identity.kind
  }
  get subject(): string {
    return this.#identity.subject
  }
  get user(): string {
    return this.#identity.user ?? ''
  }
  get team(): string {
    return this.#identity.team ?? ''
  }
  get organization(): string {
    return this.#identity.organization ?? ''
  }
  get key(): string {
    return this.#identity.key ?? ''
  }
  get claims(): Readonly<Record<string, unknown>> {
    return this.#identity.claims
  }
  get tree(): string {
    return this.#identity.delegation?.tree ?? ''
  }
  get onBehalfOf(): string {
    return this.#identity.delegation?.subject ?? ''
  }
  get chain(): readonly string[] {
    return this.#identity.delegation?.chain ?? none
  }
}

class ToolView {
  readonly server: string
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
  readonly destructive: boolean
  readonly readOnly: boolean
  constructor(tool: ToolFacts | undefined) {
    this.server = tool?.server ?? ''
    this.name = tool?.name ?? ''
    this.arguments = tool?.arguments ?? {}
    this.destructive = tool?.destructive ?? false
    this.readOnly = tool?.readOnly ?? false
  }
}

class AgentView {
  readonly name: string
  readonly skill: string
  readonly depth: bigint
  readonly from: string
  constructor(agent: AgentFacts | undefined) {
    this.name = agent?.name ?? ''
    this.skill = agent?.skill ?? ''
    this.depth = BigInt(agent?.depth ?? 0)
    this.from = agent?.from ?? ''
  }
}

const noTool = new ToolView(undefined)
const noAgent = new AgentView(undefined)

/** The values of all variables for one request. */
export class Variables {
  readonly request: RequestView
  readonly identity: IdentityView
  readonly model: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly tool: ToolView
  readonly agent: AgentView
  readonly now: Date
  readonly spent: Readonly<Record<string, number>>

  /** @param budgets the budgets that some expression asks about */
  constructor(facts: Facts, budgets: Iterable<string>) {
    this.request = new RequestView(facts.request)
    this.identity = new IdentityView(facts.identity)
    this.model = facts.model
    this.parameters = facts.parameters
    this.tool = facts.tool ? new ToolView(facts.tool) : noTool
    this.agent = facts.agent ? new AgentView(facts.agent) : noAgent
    this.now = facts.now
    const spent: Record<string, number> = {}
    for (const budget of budgets) spent[budget] = facts.spent(budget)
    this.spent = spent
  }
}

/** CEL with our variables. Its limits keep an expression's cost within what a request may take. */
export const environment = new Environment({
  unlistedVariablesAreDyn: false,
  limits: { maxAstNodes: 400, maxDepth: 40, maxListElements: 200, maxMapEntries: 50, maxCallArguments: 8 },
})
  .registerType('Request', {
    ctor: RequestView,
    fields: {
      id: 'string',
      method: 'string',
      path: 'string',
      listener: 'string',
      route: 'string',
      operation: 'string',
      stream: 'bool',
      bytes: 'int',
    },
  })
  .registerType('Identity', {
    ctor: IdentityView,
    fields: {
      kind: 'string',
      subject: 'string',
      user: 'string',
      team: 'string',
      organization: 'string',
      key: 'string',
      claims: 'map<string, dyn>',
      tree: 'string',
      onBehalfOf: 'string',
      chain: 'list<string>',
    },
  })
  .registerType('Tool', {
    ctor: ToolView,
    fields: { server: 'string', name: 'string', arguments: 'map<string, dyn>', destructive: 'bool', readOnly: 'bool' },
  })
  .registerType('Agent', { ctor: AgentView, fields: { name: 'string', skill: 'string', depth: 'int', from: 'string' } })
  .registerVariable('request', 'Request')
  .registerVariable('identity', 'Identity')
  .registerVariable('model', 'string')
  .registerVariable('parameters', 'map<string, dyn>')
  .registerVariable('tool', 'Tool')
  .registerVariable('agent', 'Agent')
  .registerVariable('now', 'google.protobuf.Timestamp')
  .registerVariable('spent', 'map<string, double>')
