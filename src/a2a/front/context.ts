import type { A2aTaskOwner } from '../../config/a2a.ts'
import type { ServerCredentials } from '../../mcp/oauth/server-credentials.ts'
import type { Facts } from '../../policy/facts.ts'
import type { Agent } from '../agent/agent.ts'
import type { Callbacks } from '../callbacks.ts'
import type { OpenTrees } from '../delegation/open-trees.ts'
import type { Delegations } from '../delegation/standing.ts'
import type { Governor } from '../governed.ts'
import type { Owners } from '../tasks/owners.ts'
import type { Hearers } from './account.ts'

/** What the A2A protocol needs under one revision of the rules. */
export interface A2aContext {
  readonly agents: ReadonlyMap<string, Offered>
  readonly governor: Governor
  readonly delegations: Delegations<Facts>
  readonly owners: Owners
  /** Who shares the tasks of a caller. */
  readonly taskOwner: A2aTaskOwner
  readonly trees: OpenTrees
  readonly callbacks: Callbacks
  /** The share of traces that begin here which are recorded, 0 to 1. */
  readonly sampling: number
  readonly hearers: Hearers
  report(error: unknown, requestId: string): void
}

/** An agent, and what the gateway shows it. */
export interface Offered {
  readonly agent: Agent
  readonly credentials: ServerCredentials
}
