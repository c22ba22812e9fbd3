import { readServerPins, type ServerPins, writeServerPins } from './server-pins.ts'

/** Pins as the text of a file: `{"version": 1, "servers": [ … ]}`. */

const largestCharacters = 128 * 1024 * 1024

export function writePins(all: Iterable<ServerPins>): string {
  // A line a server: differences between two backups can be read.
  return `{"version":1,"servers":[\n${Array.from(all, writeServerPins).join(',\n')}\n]}\n`
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
