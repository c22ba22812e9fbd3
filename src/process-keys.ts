import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'

/**
 * Keys of one process, for what the rules name no keys for. What they sealed and signed is worth nothing when they are gone, so a process
 * that takes another's place gets them from it.
 */
export interface ProcessKeys {
  /** Seals what MCP clients hold; 32 random bytes. */
  readonly seal: Uint8Array
  /** Signs delegations of A2A; a private key on the curve P-256. */
  readonly signing: KeyObject
}

export function makeProcessKeys(): ProcessKeys {
  return { seal: randomBytes(32), signing: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }
}

/** @returns the keys as texts by names */
export function writeProcessKeys({ seal, signing }: ProcessKeys): Record<string, string> {
  return {
    seal: Buffer.from(seal).toString('base64'),
    signing: signing.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** @param texts what `writeProcessKeys` made; for a key that is not among them, as in an older version, there is a new one */
export function readProcessKeys(texts: Readonly<Record<string, string>>): ProcessKeys {
  const made = makeProcessKeys()
  return {
    seal: texts.seal === undefined ? made.seal : Buffer.from(texts.seal, 'base64'),
    signing: texts.signing === undefined ? made.signing : createPrivateKey(texts.signing),
  }
}
