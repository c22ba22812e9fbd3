/**
 * What was found wrong with parts of objects after they had become rules, by the part: `HTTPRoute default/shop#0`. The translation is
 * made anew without them, so that what is wrong with one leaves the others alone.
 */
export type Bans = ReadonlyMap<string, string>

/** Whose a place in the rules is, so that what is wrong there can be said to whoever wrote it. */
export class Owners {
  readonly #owners = new Map<string, string>()

  /** @param path a place in the rules, such as `http.routes.3`; what lies below it is its owner's too */
  set(path: readonly (string | number)[], owner: string): void {
    this.#owners.set(JSON.stringify(path.map(String)), owner)
  }

  of(path: readonly (string | number)[]): string | undefined {
    for (let length = path.length; length > 0; length--) {
      const owner = this.#owners.get(JSON.stringify(path.slice(0, length).map(String)))
      if (owner !== undefined) return owner
    }
    return undefined
  }
}
