/** What became of a notification, for the log and the metrics. Free of content. */
export interface NotificationRecord {
  /**
   * `queued` and `refused` (not taken of the agent), `delivered`, `failed` (it will be tried again), `dead` (given up).
   */
  readonly outcome: 'queued' | 'refused' | 'delivered' | 'failed' | 'dead'
  /** The agent's name in the rules; empty where it is not known. */
  readonly agent: string
  /** The notification's own id, which the client sees. */
  readonly id?: string | undefined
  /** Of the agent's call. */
  readonly requestId?: string | undefined
  readonly taskId?: string | undefined
  /** The state that the task is said to be in, as 1.0 spells it. */
  readonly state?: string | undefined
  /** Of the client's URL. */
  readonly host?: string | undefined
  /** What the client answered with. */
  readonly status?: number | undefined
  readonly reason?: string | undefined
  /** The tries so far. */
  readonly tries?: number | undefined
  /** How long ago the agent sent it, ms. */
  readonly ageMs?: number | undefined
}
