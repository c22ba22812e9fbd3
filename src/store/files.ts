import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { RuleFile } from '../config/load.ts'

/**
 * Reads rules from a file, or from the `.yaml` and `.yml` files of a directory: not those in folders of it, not hidden ones,
 * and not table tests (`*.test.yaml`).
 * @throws {Error} where they cannot be read
 */
export function readRuleFiles(path: string): RuleFile[] {
  if (!statSync(path).isDirectory()) return [{ name: basename(path), text: readFileSync(path, 'utf8') }]
  return readdirSync(path)
    .filter((name) => isRuleFile(name))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(path, name), 'utf8') }))
}

export function isRuleFile(name: string): boolean {
  return /^[^.].*\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name)
}

/** Writes a file whole or not at all, and makes sure that it stays. */
export function writeWhole(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  const next = `${path}.${randomBytes(6).toString('hex')}.next`
  const file = openSync(next, 'wx', mode)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  renameSync(next, path)
}
