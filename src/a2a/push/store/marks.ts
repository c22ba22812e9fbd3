import { createHash, randomBytes } from 'node:crypto'

/** The short names that callbacks, tasks and notifications have in stores: ids of agents and clients may be long, and are theirs. */

const idLength = 22

/** An id of a callback: 128 random bits. It names, and proves nothing. */
export function newCallbackId(): string {
  return randomBytes(16).toString('base64url')
}

export function isCallbackId(text: string): boolean {
  return text.length === idLength && /^[\w-]+$/.test(text)
}

/** The task of an agent. */
export function taskMark(agent: string, taskId: string): string {
  return markOf(`${agent} ${taskId}`)
}

/** The same for the same text, and no other that anybody could make. */
export function markOf(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, idLength)
}
