import { createHash } from 'node:crypto'
import { SignJWT } from 'jose'
import type { SigningKey } from '../signing-key.ts'

/** What proves to a client that a notification is the gateway's: a JWT whose key is in the published set (1.0, section 13.2). */

/** Keeps any other token of the same signer from being taken for one. */
export const notificationType = 'a2a-notification+jwt'
/** How long it may be used, s: each try has its own. */
const lifetimeS = 300

export interface Signer {
  readonly key: SigningKey
  /** What clients know the gateway by. */
  readonly issuer: string
  /** Where the key set is, if that is known. */
  readonly jku?: string | undefined
}

/**
 * @param about `id` is the same for all tries of one notification, so that a client can tell those that come twice; `body` as
 *   it is sent, whose SHA-256 in hex is the claim `request_body_sha256`
 */
export function signNotification(
  signer: Signer,
  about: { readonly id: string; readonly url: string; readonly taskId: string; readonly body: string },
  nowMs: number,
): Promise<string> {
  const { key, issuer, jku } = signer
  const now = Math.floor(nowMs / 1000)
  return new SignJWT({
    taskId: about.taskId,
    request_body_sha256: createHash('sha256').update(about.body).digest('hex'),
  })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: notificationType, ...(jku !== undefined && { jku }) })
    .setIssuer(issuer)
    .setAudience(about.url)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeS)
    .setJti(about.id)
    .sign(key.key)
}
