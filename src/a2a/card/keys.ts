import type { JWK } from 'jose'
import { isObject } from '../../json.ts'
import type { FindCardKey } from './signatures.ts'

/** Which keys may sign an agent's card. */

/**
 * Keys by their ids, from the rules or from key sets that the rules name.
 * @param trust
 *   - `keys` of the rules
 *   - `urls` key sets (RFC 7517) that signatures may name in `jku`; a signature that names another is not looked at, as
 *     whoever makes a card can name a set of their own
 * @param fetchKeys gets one of `urls`. What it throws is thrown on.
 */
export function cardKeys(
  trust: { keys: readonly JWK[]; urls: readonly string[] },
  fetchKeys: (url: string) => Promise<unknown>,
): FindCardKey {
  const allowed = new Set(trust.urls)
  return async (kid, jku) => {
    const own = trust.keys.find((key) => key.kid === kid && isPublic(key))
    if (own !== undefined) return own
    // Without a jku any of the sets may have it; the rules name few.
    const urls = jku === undefined ? trust.urls : allowed.has(jku) ? [jku] : []
    for (const url of urls) {
      const found = keysIn(await fetchKeys(url)).find((key) => key.kid === kid)
      if (found !== undefined) return found
    }
    return undefined
  }
}

function keysIn(value: unknown): JWK[] {
  const keys = isObject(value) && Array.isArray(value.keys) ? value.keys.slice(0, 100) : []
  return keys.filter((key): key is JWK => isObject(key) && isPublic(key as JWK))
}

/** Symmetric keys in a set that is published are no proof of anything. */
function isPublic({ kty, use }: JWK): boolean {
  return kty !== 'oct' && (use === undefined || use === 'sig')
}
