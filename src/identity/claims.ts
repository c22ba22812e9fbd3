/** Claims of a token, by the paths of the rules. */

type Claims = Readonly<Record<string, unknown>>

const longestName = 200

/**
 * @param path a claim's name, or names joined by dots that lead into objects. A claim whose whole name is the path comes
 *   first: names such as `https://corp.example/team` hold dots of their own.
 */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  let value: unknown = claims
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
      return undefined
    value = (value as Claims)[step]
  }
  return value
}

/** @returns a claim that names someone; undefined where it is absent; null where it cannot be a name */
export function nameAt(claims: Claims, path: string): string | null | undefined {
  const value = claimAt(claims, path)
  if (value === undefined || value === null) return undefined
  return isName(value) ? value : null
}

/**
 * The same for a claim that may also list groups, of which one is the team.
 * @param isTeam whether the rules list a team of that name
 * @returns of a list the first that is a team; undefined where none is
 */
export function teamAt(claims: Claims, path: string, isTeam: (name: string) => boolean): string | null | undefined {
  const value = claimAt(claims, path)
  if (!Array.isArray(value)) return nameAt(claims, path)
  return value.find((item): item is string => isName(item) && isTeam(item))
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestName
}
