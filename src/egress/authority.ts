import { createPrivateKey, type KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { AuthorityRule } from '../config/egress.ts'
import { systemAuthoritiesFile } from '../config/system-authorities.ts'

/** A certificate with its key, PEM. */
export interface Issued {
  /** The certificate, then the authority's. */
  readonly chain: string
  readonly key: string
  readonly notAfterMs: number
}

const dayMs = 24 * 3_600_000
/** An authority of the gateway's own, and the certificates that come from one. */
const authorityDays = 3 * 365
const certificateDays = 7
/** Clocks of agents may be behind. */
const backdatedMs = 3_600_000

const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const
const ecdsa = { name: 'ECDSA', hash: 'SHA-256' } as const

/**
 * The authority that certificates of known hosts come from. Its key is read by this process only, and signs for names that the
 * rules or the catalogue know, each certificate for a week.
 */
export class Authority {
  readonly #certificate: X509Certificate
  readonly #key: KeyObject
  #own: Promise<{ pair: webcrypto.CryptoKeyPair; pem: string }> | undefined

  private constructor(certificate: X509Certificate, key: KeyObject) {
    this.#certificate = certificate
    this.#key = key
  }

  /**
   * Reads the authority that a rule names, or makes it where the rule leaves that to the gateway.
   * @throws {RangeError} where a file cannot be read, is no certificate or key, or the two are not each other's
   */
  static async open(rule: AuthorityRule): Promise<Authority> {
    const { directory, certificateFile = '', keyFile = '' } = rule
    if (directory === undefined)
      return new Authority(...checked(read('certificateFile', certificateFile), read('keyFile', keyFile)))
    const file = join(directory, 'authority.pem')
    let kept = readIfThere(file)
    if (kept === undefined || expired(kept)) {
      await makeIn(directory, file, kept !== undefined)
      kept = read('directory', file)
    }
    const authority = new Authority(...checked(kept, kept))
    authority.#publish(directory)
    return authority
  }

  /** The authority's certificate, PEM: what agents must trust. */
  get certificate(): string {
    return this.#certificate.toString()
  }

  /** @param names host names or IP addresses, at least one */
  async issue(names: readonly string[], now = Date.now()): Promise<Issued> {
    const x509 = await library()
    this.#own ??= ownKey()
    const { pair, pem } = await this.#own
    const [signingKey, signingAlgorithm] = await signing(this.#key)
    const notAfterMs = Math.min(now + certificateDays * dayMs, Date.parse(this.#certificate.validTo))
    const made = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${names[0]!.slice(0, 64)}`,
      issuer: new x509.X509Certificate(this.#certificate.raw).subject,
      notBefore: new Date(now - backdatedMs),
      notAfter: new Date(notAfterMs),
      signingKey,
      signingAlgorithm,
      publicKey: pair.publicKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
        ),
        await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(new x509.X509Certificate(this.#certificate.raw)),
      ],
    })
    return { chain: `${made.toString('pem')}\n${this.certificate}`, key: pem, notAfterMs }
  }

  /** Writes what agents need beside the key. */
  #publish(directory: string): void {
    replace(join(directory, 'ca.pem'), this.certificate)
    const system = systemAuthoritiesFile()
    const others = system === undefined ? rootCertificates.join('\n') : readFileSync(system, 'utf8')
    replace(join(directory, 'bundle.pem'), `${others.trimEnd()}\n${this.certificate}`)
  }
}

/** Loaded where there is an authority only: it takes a second. */
async function library() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

async function ownKey() {
  const pair = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const pem = createPrivateKey({
    key: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)),
    format: 'der',
    type: 'pkcs8',
  }).export({ type: 'pkcs8', format: 'pem' })
  return { pair, pem: String(pem) }
}

/** The authority's key, as the library wants it. @throws {RangeError} where it is of another kind */
async function signing(key: KeyObject): Promise<[webcrypto.CryptoKey, { name: string; hash: string }]> {
  const algorithms = {
    rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    ec: { name: 'ECDSA', hash: key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'SHA-384' : 'SHA-256' },
  } as const
  const kind = key.asymmetricKeyType
  if (kind !== 'rsa' && kind !== 'ec') throw new RangeError('egress.authority.keyFile: must be an RSA or EC key')
  const algorithm = algorithms[kind]
  const imported =
    kind === 'rsa'
      ? algorithm
      : { name: 'ECDSA', namedCurve: key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256' }
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return [await webcrypto.subtle.importKey('pkcs8', der, imported, false, ['sign']), algorithm]
}

/** RFC 5280, section 4.1.2.2: a positive number of up to 20 bytes. */
function serial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

function read(field: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new RangeError(`egress.authority.${field}: ${(error as Error).message}`)
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new RangeError(`egress.authority.directory: ${(error as Error).message}`)
  }
}

function expired(pem: string): boolean {
  try {
    return Date.parse(new X509Certificate(pem).validTo) < Date.now() + dayMs
  } catch {
    return false
  }
}

/** @throws {RangeError} where they are not an authority and its key */
function checked(certificatePem: string, keyPem: string): [X509Certificate, KeyObject] {
  const part = <T>(what: string, make: () => T): T => {
    try {
      return make()
    } catch (error) {
      throw new RangeError(`egress.authority: the file holds no ${what} that can be read: ${(error as Error).message}`)
    }
  }
  const certificate = part('certificate', () => new X509Certificate(certificatePem))
  const key = part('private key', () => createPrivateKey(keyPem))
  if (!certificate.ca) throw new RangeError('egress.authority: the certificate is not one of an authority (CA:TRUE)')
  if (!certificate.checkPrivateKey(key)) throw new RangeError('egress.authority: the key is not the certificate’s')
  if (Date.parse(certificate.validTo) < Date.now())
    throw new RangeError('egress.authority: the certificate has expired')
  return [certificate, key]
}

/** Makes an authority. Of several processes that do so at once, all take the first one's. */
async function makeIn(directory: string, file: string, replaces: boolean): Promise<void> {
  const x509 = await library()
  const pair = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Chaperone egress authority ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(now - backdatedMs),
    notAfter: new Date(now + authorityDays * dayMs),
    keys: pair,
    signingAlgorithm: ecdsa,
    extensions: [
      // It signs servers' certificates, and no authorities.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  })
  const key = createPrivateKey({
    key: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)),
    format: 'der',
    type: 'pkcs8',
  }).export({ type: 'pkcs8', format: 'pem' })
  const draft = `${file}.${process.pid}`
  try {
    mkdirSync(directory, { recursive: true })
    writeFileSync(draft, `${key}${certificate.toString('pem')}\n`, { mode: 0o600, flag: 'wx' })
    if (replaces) renameSync(draft, file)
    else linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new RangeError(`egress.authority.directory: ${(error as Error).message}`)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Readable for agents, and never half of it. */
function replace(file: string, text: string): void {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, text)
  chmodSync(draft, 0o644)
  renameSync(draft, file)
}
