/**
 * What a delegate may use at most. Names, where a `*` may stand at the end; an absent list bounds nothing, an empty one
 * allows nothing. A delegate's rights are what its own identity may, and every one in the chain before it.
 */
export interface Rights {
  readonly models?: readonly string[]
  /** MCP servers. */
  readonly servers?: readonly string[]
  /** Agents that may be delegated to. */
  readonly agents?: readonly string[]
}

export const rightKinds = ['models', 'servers', 'agents'] as const

/** Whether rights allow one name. */
export function allows(rights: Rights, kind: (typeof rightKinds)[number], name: string): boolean {
  return rights[kind]?.some((pattern) => matches(pattern, name)) ?? true
}

/** What both allow. */
export function intersection(one: Rights, other: Rights): Rights {
  const both: Partial<Record<(typeof rightKinds)[number], readonly string[]>> = {}
  for (const kind of rightKinds) {
    const names = intersect(one[kind], other[kind])
    if (names !== undefined) both[kind] = names
  }
  return both
}

function intersect(one: readonly string[] | undefined, other: readonly string[] | undefined) {
  if (one === undefined || other === undefined) return one ?? other
  const both = new Set<string>()
  for (const a of one)
    for (const b of other)
      if (covers(a, b)) both.add(b)
      else if (covers(b, a)) both.add(a)
  return [...both]
}

/** Whether all that a pattern matches is matched by another. */
function covers(wide: string, narrow: string): boolean {
  if (!wide.endsWith('*')) return wide === narrow
  return narrow.startsWith(wide.slice(0, -1))
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}
