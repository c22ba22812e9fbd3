import { isIP } from 'node:net'

/**
 * What objects of our own kinds may not say, though the rules may: whoever may write them in some namespace is not whoever runs the
 * gateway, whose files, environment, processes and credentials are its own.
 */

/** Keys that name files of the gateway's machine, or what comes from its environment. */
export const forbiddenKeys: ReadonlySet<string> = new Set([
  'file',
  'jwksFile',
  'usersFile',
  'descriptorFile',
  'certificateFile',
  'keyFile',
  'clientCaFile',
  'credentialsFile',
  'document',
  'profile',
  'trustForwardedClientCert',
])

/** Kinds of unions that are not to be had: processes, files, and the gateway's own credentials. */
export const forbiddenTypes: ReadonlySet<string> = new Set(['stdio', 'openapi', 'vertex'])

/** References to values of objects in the same namespace. */
export const secretPattern = String.raw`^\$\{secret:[a-z0-9.-]+/[-._a-zA-Z0-9]+\}$`
export const documentPattern = String.raw`^\$\{(?:secret|configMap):[a-z0-9.-]+/[-._a-zA-Z0-9]+\}$`

/** Something that an object may not say. The message says where and why. */
export class OwnSpecError extends Error {
  override readonly name = 'OwnSpecError'
}

/**
 * The spec of an object, with the references in it made those of its namespace.
 * @param local whether addresses of this machine may be named
 * @throws {OwnSpecError}
 */
export function ofNamespace(spec: unknown, namespace: string, local: boolean): unknown {
  const look = (value: unknown, path: string, key: string): unknown => {
    if (Array.isArray(value)) return value.map((each, index) => look(each, `${path}[${index}]`, key))
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([name, each]) => {
          if (forbiddenKeys.has(name))
            throw new OwnSpecError(`${path}.${name}: is for the gateway’s own files and cannot be said in a cluster`)
          return [name, look(each, `${path}.${name}`, name)]
        }),
      )
    return typeof value === 'string' ? text(value, path, key) : value
  }
  const text = (value: string, path: string, key: string): string => {
    if (key === 'type' && forbiddenTypes.has(value))
      throw new OwnSpecError(`${path}: ${value} uses what is the gateway’s own; say it in the rules of the gateway`)
    if (key === 'caFile' && !new RegExp(documentPattern).test(value))
      throw new OwnSpecError(`${path}: must be a reference, \${configMap:NAME/KEY} or \${secret:NAME/KEY}`)
    if (!local && /url$/i.test(key)) notLocal(value, path)
    return value.replace(/\$\{([^}]*)\}/g, (reference, inner: string) => {
      if (inner === 'client') return reference
      const [, kind, name, entry] = /^(secret|configMap):([a-z0-9.-]+)\/([-._a-zA-Z0-9]+)$/.exec(inner) ?? []
      if (kind === undefined)
        throw new OwnSpecError(
          `${path}: must refer to an object of its namespace, \${secret:NAME/KEY}, not to ${reference}`,
        )
      return `\${${kind}:${namespace}/${name}/${entry}}`
    })
  }
  const result = look(spec, 'spec', '')
  const { type, apiKey, accessKeyId } = result as Record<string, unknown>
  if (type === 'bedrock' && apiKey === undefined && accessKeyId === undefined)
    throw new OwnSpecError(
      'spec: needs apiKey, or accessKeyId and secretAccessKey: the gateway’s own credentials are not for it',
    )
  return result
}

/** @throws {OwnSpecError} for addresses that are the gateway's own pod, or its node's metadata service */
function notLocal(value: string, path: string): void {
  if (!URL.canParse(value)) return
  const host = new URL(value).hostname.replace(/^\[|\]$/g, '')
  const own =
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    (isIP(host) === 4 && /^(?:127\.|0\.|169\.254\.)/.test(host)) ||
    (isIP(host) === 6 && /^(?:::1?$|fe[89ab]|::ffff:)/i.test(host))
  if (own) throw new OwnSpecError(`${path}: ${host} is the gateway’s own machine`)
}
