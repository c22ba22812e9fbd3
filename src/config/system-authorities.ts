import { existsSync } from 'node:fs'

const bundles = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Alpine
  '/etc/pki/tls/certs/ca-bundle.crt', // Fedora, RHEL
  '/etc/ssl/ca-bundle.pem', // openSUSE
  '/etc/ssl/cert.pem', // Alpine, macOS
]

/** The file with the authorities that this system trusts, SSL_CERT_FILE first; undefined where there is none. */
export function systemAuthoritiesFile(): string | undefined {
  return [process.env.SSL_CERT_FILE, ...bundles].find((path) => path && existsSync(path))
}
