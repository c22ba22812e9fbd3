/** How much a finding says: `high` is hardly ever innocent, `medium` needs a look, `low` is worth to know. */
export type Severity = 'high' | 'medium' | 'low'

export type FindingKind =
  /** Characters that a model reads and people do not see. */
  | 'hidden-character'
  /** Sequences that command a terminal. */
  | 'terminal-escape'
  /** Text that is there and does not show: comments, columns of blanks. */
  | 'hidden-text'
  /** Letters of one script that pose as those of another. */
  | 'disguised-letters'
  /** Words meant for the model rather than for whoever calls the tool. */
  | 'instruction'
  /** A name that is, or looks like, the name of another server's tool. */
  | 'shadowed-name'
  /** Speaks of another server's tools. */
  | 'foreign-tool'
  | 'oversized'
  /** Links and data URLs. */
  | 'link'
  /** Long runs of base64 or hexadecimal digits. */
  | 'encoded'

/** Something in a tool's definition that an operator should know before approving it. */
export interface Finding {
  readonly severity: Severity
  readonly kind: FindingKind
  /** JSON path within the tool: `$.inputSchema.properties.path.description`. Printable ASCII. */
  readonly where: string
  /** One sentence for the operator. */
  readonly message: string
  /** What was found and what stands around it, short, with code points escaped: safe on a terminal and in logs. */
  readonly excerpt: string
}

/** What a check of one text gives; the walk adds where it was. */
export type Remark = Omit<Finding, 'where'>

const order: readonly Severity[] = ['high', 'medium', 'low']

/** Orders findings, the worst first. */
export function bySeverity(a: Finding, b: Finding): number {
  return order.indexOf(a.severity) - order.indexOf(b.severity)
}
