import type { Field } from './hpack.ts'

/** What a request's fields say, as far as a gRPC server needs it (RFC 9113, sections 8.2 and 8.3). */

export type Role = 'method' | 'scheme' | 'path' | 'authority' | 'contentType' | 'other' | 'malformed'

const pseudoRoles: Record<string, Role> = {
  ':method': 'method',
  ':scheme': 'scheme',
  ':path': 'path',
  ':authority': 'authority',
}

/** Fields of HTTP/1 connections, which make a message malformed (section 8.2.2). */
const connectionFields = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

const wellFormedName = /^[!-9;-@[-~]+$/
const illFormedValue = /[\0\r\n]|^[ \t]|[ \t]$/

/** What a field is for, worked out once a field. */
export function fieldRole(name: string, value: string): Role {
  if (illFormedValue.test(value)) return 'malformed'
  if (name.startsWith(':')) return pseudoRoles[name] ?? 'malformed'
  if (!wellFormedName.test(name) || connectionFields.has(name)) return 'malformed'
  if (name === 'te' && value !== 'trailers') return 'malformed'
  return name === 'content-type' ? 'contentType' : 'other'
}

/** A well-formed request's target. */
export interface RequestHead {
  path: string
  /** Whether it is a POST of gRPC messages. */
  grpc: boolean
}

/** @returns undefined for a malformed request (section 8.1.1) */
export function readRequest(fields: readonly Field[]): RequestHead | undefined {
  const head = { method: '', scheme: '', path: '', authority: '', contentType: '' }
  let regular = false
  for (const { role, value } of fields) {
    if (role === 'malformed') return undefined
    if (role === 'other' || role === 'contentType') regular = true
    // Pseudo-fields come first, and once each.
    else if (regular || head[role] !== '') return undefined
    if (role !== 'other') head[role] = value
  }
  const { method, scheme, path, contentType } = head
  if (method === '' || scheme === '' || path === '') return undefined
  return { path, grpc: method === 'POST' && contentType.startsWith('application/grpc') }
}

/** @returns whether these may be a request's trailers: well formed, and no pseudo-field among them (section 8.1) */
export function areTrailers(fields: readonly Field[]): boolean {
  return fields.every(({ role }) => role === 'other' || role === 'contentType')
}
