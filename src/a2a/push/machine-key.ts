import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SealKey } from '../../mcp/seal.ts'

const bytes = 32

/**
 * The key of a machine that has none in its rules: in a file of the state's directory (mode 0600), made where it is not there.
 * @throws {Error} where it can be neither read nor written, or is none
 */
export function machineKey(state: string): SealKey {
  const path = join(state, 'a2a-push.key')
  mkdirSync(state, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(path, randomBytes(bytes).toString('base64'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    chmodSync(path, 0o600)
  }
  const secret = Buffer.from(readFileSync(path, 'utf8'), 'base64')
  if (secret.length !== bytes) throw new Error(`${path} is no key; take it away, and what waits there is lost`)
  return { id: 'machine', secret }
}
