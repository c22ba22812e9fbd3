/**
 * A name of something that there is not.
 * @param names what there is
 */
export function unknownName(
  kind: string,
  name: string,
  names: readonly string[],
): { message: string; suggestion?: string } {
  const message = `there is no ${kind} ${JSON.stringify(name)}`
  const suggestion = nearest(name, names)
  return suggestion === undefined ? { message: `${message}; ${listed(kind, names)}` } : { message, suggestion }
}

/** `the keys are a, b, c`: what there is, as long as it can be read at a glance. */
export function listed(kind: string, names: readonly string[]): string {
  if (names.length === 0) return `there is no ${kind} at all`
  if (names.length === 1) return `the only ${kind} is ${names[0]}`
  const shown = names.slice(0, 16)
  return `the ${kind}s are ${shown.join(', ')}${shown.length < names.length ? ', …' : ''}`
}

/** @returns the word that was probably meant, or undefined where none is near */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of words) {
    const d = distance(word.toLowerCase(), candidate.toLowerCase(), least)
    if (d < least) {
      least = d
      best = candidate
    }
  }
  return best
}

/** Optimal string alignment distance (insert, delete, replace, swap neighbours), given up at `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let cell = Math.min(row[j]! + 1, next[j - 1]! + 1, replace)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cell = Math.min(cell, before[j - 2]! + 1)
      next.push(cell)
    }
    before = row
    row = next
  }
  return row[b.length]!
}
