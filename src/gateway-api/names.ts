import { createHash } from 'node:crypto'

/** Names that things of Kubernetes have in the rules. */

/** The longest name that the rules take. */
const longest = 63

/**
 * Makes one name of several. Names of Kubernetes hold no underscore, so that no two make the same; what is too long is cut and has
 * a hash at its end.
 */
export function ruleName(...parts: readonly (string | number)[]): string {
  const name = parts.join('_')
  if (name.length <= longest) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return `${name.slice(0, longest - hash.length - 1)}-${hash}`
}

/** What the names of all routes that are made of an object begin with; undefined where they are cut. */
export function routePrefix(namespace: string, name: string): string | undefined {
  const prefix = `${namespace}_${name}_`
  return prefix.length <= longest - 24 ? prefix : undefined
}
