import { readServerPins, type ServerPins, writeServerPins } from './server-pins.ts'

/** Pins as the text of a file: `{"version": 1, "servers": [ … ]}`. */

const largestCharacters = 128 * 1024 * 1024

/** @throws {RangeError} where it would be more than can be read again */
export function writePins(all: Iterable<ServerPins>): string {
  const lines = Array.from(all, writeServerPins)
  if (lines.reduce((sum, { length }) => sum + length + 2, 100) > largestCharacters)
    throw new RangeError(`it would be larger than ${largestCharacters} characters`)
  // A line a server: differences between two backups can be read.
  return `{"version":1,"servers":[\n${lines.join(',\n')}\n]}\n`
}

/** @throws {Error} where the text is no set of pins; one damaged server spoils it all, for nobody knows what was approved */
export function readPins(text: string): ServerPins[] {
  if (text.length > largestCharacters) throw new Error(`it is larger than ${largestCharacters} characters`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own message would quote the file.
    throw new Error('it is no JSON')
  }
  const { version, servers } = (value ?? {}) as { version?: unknown; servers?: unknown }
  if (version !== 1 || !Array.isArray(servers)) throw new Error('it is no file of pins of version 1')
  return servers.map((item, index) => {
    const pins = readServerPins(item)
    if (!pins) throw new Error(`entry ${index + 1} of its servers is damaged`)
    return pins
  })
}
