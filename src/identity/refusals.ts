import type { Unidentified } from './identity.ts'
import type { KeyRefusal } from './key-store.ts'

/** What callers are told who are not let in. All of it is made once: it holds nothing of the request. */

export function refuse(code: string, message: string, cause?: unknown): Unidentified {
  return Object.freeze({ status: 401, code, message, ...(cause !== undefined && { cause }) })
}

/** For what could not be checked, and may be right. */
export function unavailable(code: string, message: string, cause?: unknown): Unidentified {
  return Object.freeze({ status: 503, code, message, ...(cause !== undefined && { cause }) })
}

export const keyRefusals: Readonly<Record<KeyRefusal, Unidentified>> = {
  malformed: refuse(
    'invalid_key',
    'This is not a whole Chaperone key: it was cut or mistyped. Copy it again; it has 66 characters and begins with chp_.',
  ),
  unknown: refuse(
    'invalid_key',
    'This key is not known here. Check that it was made for this Chaperone; a new key takes up to a second to be known everywhere.',
  ),
  wrong: refuse(
    'invalid_key',
    'This key is not valid. If it was rotated, ask its owner for the new one; chaperone keys list shows the last four characters of the current one.',
  ),
  expired: refuse('expired_key', 'This key has expired. Ask its owner for a new one: chaperone keys rotate.'),
  revoked: refuse('revoked_key', 'This key was revoked. Ask its owner for another one: chaperone keys create.'),
  replaced: refuse('replaced_key', 'This key was replaced by a new one. Ask its owner for that.'),
}

export const keysNotLoaded = unavailable(
  'keys_unavailable',
  'Keys cannot be checked at the moment. Try again in a few seconds.',
)

export const untrustedCertificate = refuse(
  'invalid_client_certificate',
  'The client certificate cannot be believed as it was forwarded: it must carry exactly one URI, its SPIFFE id.',
)

export const unknownWorkload = refuse(
  'unknown_workload',
  'The client certificate belongs to no workload of the rules. Add its SPIFFE id under identities.workloads, or show a key.',
)
