import { readFileSync, statSync } from 'node:fs'

/**
 * Watches a rules file by looking at it several times a second: this sees edits, replaced files, swapped links
 * (Kubernetes) and network file systems alike.
 * @param onChange told of new content once it has stayed the same between two looks, so that a file is not read while it is
 *   being written; never told of the same content twice
 * @returns what ends the watch
 */
export function watchRules(
  file: string,
  onChange: (text: string) => void,
  { everyMs = 200 }: { everyMs?: number } = {},
): { stop(): void } {
  // In this order, so that a change between the two is seen as one.
  let mark = markOf(file)
  let known = read(file)
  let unsettled = false
  const timer = setInterval(() => {
    const now = markOf(file)
    // A file that is away is about to come back, or its rules stay in force.
    if (now === undefined) return
    if (now !== mark) {
      mark = now
      unsettled = true
      return
    }
    if (!unsettled) return
    const text = read(file)
    // What cannot be read now is looked at again.
    if (text === undefined) return
    unsettled = false
    if (text === known) return
    known = text
    onChange(text)
  }, everyMs)
  return { stop: () => clearInterval(timer) }
}

function markOf(file: string): string | undefined {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return undefined
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
