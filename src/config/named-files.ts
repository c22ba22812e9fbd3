import { createPrivateKey, X509Certificate } from 'node:crypto'
import { accessSync, constants, readFileSync } from 'node:fs'
import type { Finding } from './check.ts'
import type { Path } from './path.ts'
import type { Rules } from './schema.ts'
import { isDocument } from './secrets.ts'

/** Files that the rules name and Envoy reads: whether they are there, and are what they should be. */

interface NamedFile {
  readonly path: Path
  readonly file: string
  /** The file with the key of the certificate that this one is. */
  readonly key?: NamedFile | undefined
}

interface Tls {
  readonly certificateFile?: string | undefined
  readonly keyFile?: string | undefined
  readonly caFile?: string | undefined
  readonly clientCaFile?: string | undefined
  readonly certificates?: readonly Tls[] | undefined
}

function* filesOf(tls: Tls | undefined, at: Path): Iterable<NamedFile> {
  if (!tls) return
  const { certificateFile, keyFile } = tls
  for (const field of ['caFile', 'clientCaFile'] as const) {
    const file = tls[field]
    if (file !== undefined) yield { path: [...at, field], file }
  }
  if (certificateFile !== undefined && keyFile !== undefined) {
    const key = { path: [...at, 'keyFile'], file: keyFile }
    yield key
    yield { path: [...at, 'certificateFile'], file: certificateFile, key }
  }
  for (const [index, certificate] of (tls.certificates ?? []).entries())
    yield* filesOf(certificate, [...at, 'certificates', index])
}

function* namedFiles(rules: Rules): Iterable<NamedFile> {
  const { listeners, providers, mcp, a2a, http, identities } = rules
  const sections: [Path, Readonly<Record<string, { tls?: Tls | undefined } | object>>][] = [
    [['listeners'], listeners],
    [['providers'], providers],
    [['mcp', 'servers'], mcp.servers],
    [['a2a', 'agents'], a2a.agents],
    [['http', 'services'], http.services],
  ]
  for (const [section, entries] of sections)
    for (const [name, entry] of Object.entries(entries))
      if ('tls' in entry) yield* filesOf(entry.tls, [...section, name, 'tls'])
  for (const [index, { basicAuth, transcode, jwt }] of http.routes.entries()) {
    const at: Path = ['http', 'routes', index]
    if (basicAuth) yield { path: [...at, 'basicAuth', 'usersFile'], file: basicAuth.usersFile }
    if (transcode) yield { path: [...at, 'transcode', 'descriptorFile'], file: transcode.descriptorFile }
    for (const issuer of jwt?.issuers ?? []) {
      const file = identities.issuers[issuer]?.jwksFile
      if (file !== undefined) yield { path: ['identities', 'issuers', issuer, 'jwksFile'], file }
    }
  }
}

/**
 * What is wrong with files that rules name. One that this process cannot read is Envoy's to judge, unless Envoy is on this machine.
 * @param here whether Envoy has the same files
 */
export function checkNamedFiles(rules: Rules, here: boolean): Finding[] {
  const findings: Finding[] = []
  for (const { path, file, key } of namedFiles(rules)) {
    if (isDocument(file)) continue
    const unreadable = whyUnreadable(file)
    if (unreadable !== undefined) {
      if (here) findings.push({ path, message: unreadable })
      continue
    }
    if (!key || isDocument(key.file) || whyUnreadable(key.file) !== undefined) continue
    findings.push(...pair(path, file, key))
  }
  return findings
}

function whyUnreadable(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK)
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? `there is no file ${file}` : `the file ${file} cannot be read: ${message}`
  }
}

function pair(path: Path, file: string, key: NamedFile): Finding[] {
  const parts = <T>(at: Path, from: string, what: string, read: (text: string) => T): T | Finding => {
    try {
      return read(readFileSync(from, 'utf8'))
    } catch {
      return { path: at, message: `the file ${from} holds no ${what} in PEM` }
    }
  }
  const certificate = parts(path, file, 'certificate', (text) => new X509Certificate(text))
  const secret = parts(key.path, key.file, 'private key', createPrivateKey)
  const wrong = [certificate, secret].filter((part): part is Finding => 'message' in part)
  if (wrong.length > 0 || 'message' in certificate || 'message' in secret) return wrong
  if (certificate.checkPrivateKey(secret)) return []
  return [{ path: key.path, message: `the key in ${key.file} is not the one of the certificate in ${file}` }]
}
