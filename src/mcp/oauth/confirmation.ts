import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { type Grant, keptUntil, readGrant } from './grant.ts'
import { objectIn, textIn } from './http.ts'
import type { Vault } from './vault.ts'

/** Without what looks like something else. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ23456789'
const length = 8
const lifeMs = 600_000
const mostTries = 5

/** Keeps a grant back until its user gives the code. @returns the code, for the page */
export async function keepBack(vault: Vault, name: string, id: string, grant: Grant): Promise<string> {
  const code = Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
  await vault.set('pending', name, { id, code: digest(code), grant: { ...grant } }, vault.now() + lifeMs)
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

/** The elicitation that a grant is kept back for. */
export async function keptBack(vault: Vault, name: string): Promise<string | undefined> {
  return textIn(await vault.get('pending', name), 'id')
}

/**
 * Puts a grant that is kept back into force.
 * @returns `wrong`: another try is left; `none`: nothing is kept back, or no more
 */
export async function confirmWith(vault: Vault, name: string, code: string): Promise<Grant | 'wrong' | 'none'> {
  const pending = await vault.get('pending', name)
  const id = textIn(pending, 'id')
  const expected = textIn(pending, 'code')
  const grant = readGrant(objectIn(pending, 'grant'))
  if (id === undefined || expected === undefined || grant === undefined) return 'none'
  if (!(await takeTry(vault, id))) {
    await vault.delete('pending', name)
    return 'none'
  }
  const given = digest(
    code
      .slice(0, 40)
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, ''),
  )
  if (!timingSafeEqual(Buffer.from(given), Buffer.from(expected))) return 'wrong'
  await vault.set('grant', name, { ...grant }, keptUntil(grant))
  await vault.delete('pending', name)
  return grant
}

/** Tries are taken one by one, also by those who try at the same time. */
async function takeTry(vault: Vault, id: string): Promise<boolean> {
  for (let n = 0; n < mostTries; n++) if (await vault.useUp(`try ${id} ${n}`, vault.now() + lifeMs)) return true
  return false
}

const digest = (code: string) => createHash('sha256').update(code).digest('base64url')
