import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readStoredKey, type StoredKey } from './key-record.ts'

/** Keys as the text of a file: `{"version": 1, "keys": [ … ]}`. It holds hashes, no secrets, and is private all the same. */

/** Some 400 bytes a key: a hundred thousand keys, with room. */
const largestCharacters = 128 * 1024 * 1024

export function writeKeys(keys: readonly StoredKey[]): string {
  // A line a key: differences between two backups can be read.
  return `{"version":1,"keys":[\n${keys.map((key) => JSON.stringify(key)).join(',\n')}\n]}\n`
}

/** @throws {Error} where the text is no set of keys; one damaged key spoils it all, for nobody knows which key it was */
export function readKeys(text: string): StoredKey[] {
  if (text.length > largestCharacters) throw new Error(`it is larger than ${largestCharacters} characters`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own message would quote the file.
    throw new Error('it is no JSON')
  }
  const { version, keys } = (value ?? {}) as { version?: unknown; keys?: unknown }
  if (version !== 1 || !Array.isArray(keys)) throw new Error('it is no file of keys of version 1')
  return keys.map((item, index) => {
    const key = readStoredKey(item)
    if (!key) throw new Error(`entry ${index + 1} of its keys is damaged`)
    return key
  })
}

/** Replaces a file as a whole, readable for its owner only; whoever reads it sees the old content or the new one. */
export async function replacePrivateFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
