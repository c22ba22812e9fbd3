import { open, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const retryMs = 10
const waitMs = 5000
/** Far longer than what is done under the lock: who holds it for this long has died. */
const staleMs = 15_000

/**
 * Does something while no other process that asks for the same lock does.
 * @param path the lock: a file that exists only while it is held
 * @throws {Error} where it could not be had within five seconds
 */
export async function withFileLock<T>(path: string, action: () => Promise<T>): Promise<T> {
  await acquire(path)
  try {
    return await action()
  } finally {
    await rm(path, { force: true })
  }
}

async function acquire(path: string): Promise<void> {
  const deadline = Date.now() + waitMs
  for (;;) {
    try {
      await (await open(path, 'wx', 0o600)).close()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now())
    if (age > staleMs) await rm(path, { force: true })
    else if (Date.now() > deadline) throw new Error(`another process holds ${path}`)
    else await sleep(retryMs)
  }
}
