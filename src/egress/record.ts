import type { EgressAction } from '../config/egress.ts'

/** What was decided about a connection, or about a request that no protocol knows. */
export interface EgressRecord {
  readonly requestId: string
  readonly listener: string
  readonly host: string
  readonly port: number
  /** `tunnel`, or the method of a request. */
  readonly method: string
  /** `read`: it is opened here, and each request inside of it is looked at. */
  readonly action: EgressAction | 'read'
  /** The rule that decided: its path in the rules. Absent: what is known of the host, or what is wrong with the request. */
  readonly rule: string | undefined
  /** What the host is known for: names of providers, servers, agents. */
  readonly known: string | undefined
  /** Why it was refused. */
  readonly code: string | undefined
  readonly user: string | undefined
  readonly team: string | undefined
}
