import { dirname } from 'node:path'
import { rootCertificates } from 'node:tls'
import { isDocument } from '../../config/secrets.ts'
import { systemAuthoritiesFile } from '../../config/system-authorities.ts'
import type { EnvoyJson } from './filters.ts'

/** The SDS name of the authorities in a file, or of the system's. */
export function validationSecretName(caFile: string | undefined): string {
  return caFile === undefined ? 'authorities/system' : `authorities/${caFile}`
}

/** Envoy reads the files again when something is moved in their directory: Kubernetes swaps a link there. */
const watched = (file: string) => (isDocument(file) ? {} : { watched_directory: { path: dirname(file) } })

/** The text of a document of Kubernetes, which is no file that Envoy could read. */
export type Documents = (reference: string) => string

const asWritten: Documents = (reference) => reference

const source = (file: string, document: Documents) =>
  isDocument(file) ? { inline_string: document(file) } : { filename: file }

/**
 * The authorities that upstream certificates are verified against. Envoy watches the file itself. Without a file of
 * the rules' the system's bundle is taken (SSL_CERT_FILE first), and where there is none, Node's own.
 */
export function validationSecret(caFile: string | undefined, document: Documents = asWritten): EnvoyJson {
  const file = caFile ?? systemAuthoritiesFile()
  return {
    name: validationSecretName(caFile),
    validation_context: {
      trusted_ca: file === undefined ? { inline_string: rootCertificates.join('\n') } : source(file, document),
      ...(file !== undefined && watched(file)),
    },
  }
}

/** A listener's own certificate. Envoy watches the files itself. */
export function certificateSecret(
  name: string,
  certificateFile: string,
  keyFile: string,
  document: Documents,
): EnvoyJson {
  return {
    name,
    tls_certificate: {
      certificate_chain: source(certificateFile, document),
      private_key: source(keyFile, document),
      ...watched(certificateFile),
    },
  }
}

/** A certificate that is in no file. */
export function inlineSecret(name: string, { chain, key }: { chain: string; key: string }): EnvoyJson {
  return {
    name,
    tls_certificate: { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } },
  }
}
