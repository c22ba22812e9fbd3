import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Permits } from './grant.ts'
import type { Inventory } from './object.ts'
import type { SecretRef } from './spec.ts'

/** Certificates and authorities that objects refer to: whether they are there, and what the rules call them. */

export type Resolved<T, Reason extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: Reason; readonly message: string }

const wrong = <Reason extends string>(reason: Reason, message: string) => ({ ok: false, reason, message }) as const

/** A certificate and its key, as the rules refer to them. */
export interface CertificateFiles {
  readonly certificateFile: string
  readonly keyFile: string
}

/** A pair of a Secret (kubernetes.io/tls) that an object of the Gateway API refers to. */
export function certificateOf(
  { group, kind, name, namespace: other }: SecretRef,
  from: { group: string; kind: string; namespace: string },
  inventory: Inventory,
  permits: Permits,
): Resolved<CertificateFiles, 'InvalidCertificateRef' | 'RefNotPermitted'> {
  const namespace = other ?? from.namespace
  if (group !== '' || kind !== 'Secret')
    return wrong('InvalidCertificateRef', `${kind} ${name} is no Secret, and nothing else can hold a certificate`)
  if (!permits({ from, to: { group: '', kind: 'Secret', namespace, name } }))
    return wrong('RefNotPermitted', `no ReferenceGrant in ${namespace} lets ${from.kind} refer to Secret ${name}`)
  const text = (key: string) => inventory.text('Secret', namespace, name, key)
  if (!inventory.get('Secret', namespace, name))
    return wrong('InvalidCertificateRef', `there is no Secret ${namespace}/${name}`)
  const [certificate, key] = [text('tls.crt'), text('tls.key')]
  if (certificate === undefined || key === undefined)
    return wrong('InvalidCertificateRef', `Secret ${namespace}/${name} needs tls.crt and tls.key`)
  try {
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
      return wrong('InvalidCertificateRef', `tls.key of Secret ${namespace}/${name} is not the key of its tls.crt`)
  } catch {
    return wrong(
      'InvalidCertificateRef',
      `tls.crt or tls.key of Secret ${namespace}/${name} is no PEM that can be read`,
    )
  }
  const reference = (part: string) => `\${secret:${namespace}/${name}/${part}}`
  return { ok: true, value: { certificateFile: reference('tls.crt'), keyFile: reference('tls.key') } }
}

/** The authorities of a ConfigMap (`ca.crt`), or of a Secret. */
export function authoritiesOf(
  {
    group,
    kind,
    name,
    namespace: other,
  }: { group: string; kind: string; name: string; namespace?: string | undefined },
  from: { group: string; kind: string; namespace: string },
  inventory: Inventory,
  permits: Permits,
): Resolved<string, 'invalid' | 'kind' | 'RefNotPermitted'> {
  const namespace = other ?? from.namespace
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret'))
    return wrong('kind', `${kind} ${name} is neither a ConfigMap nor a Secret`)
  if (!permits({ from, to: { group: '', kind, namespace, name } }))
    return wrong('RefNotPermitted', `no ReferenceGrant in ${namespace} lets ${from.kind} refer to ${kind} ${name}`)
  const text = inventory.text(kind, namespace, name, 'ca.crt')
  if (text === undefined) return wrong('invalid', `there is no ${kind} ${namespace}/${name} with a ca.crt`)
  try {
    new X509Certificate(text)
  } catch {
    return wrong('invalid', `ca.crt of ${kind} ${namespace}/${name} is no certificate that can be read`)
  }
  return { ok: true, value: `\${${kind === 'Secret' ? 'secret' : 'configMap'}:${namespace}/${name}/ca.crt}` }
}
