import { randomBytes } from 'node:crypto'
import { isObject } from '../../json.ts'
import type { JsonObject } from '../protocol.ts'
import { ArgumentsError } from './arguments-error.ts'

/** How the parts of a form are written that say so themselves (OpenAPI 3.1, Encoding Object), by their names. */
export type PartTypes = Readonly<Record<string, string>>

/** What a file is as an argument: models give bytes in base64. */
export const fileSchema: JsonObject = {
  type: 'object',
  description: 'A file',
  properties: {
    data: { type: 'string', contentEncoding: 'base64', description: 'Its bytes, in base64' },
    filename: { type: 'string' },
    contentType: { type: 'string' },
  },
  required: ['data'],
  additionalProperties: false,
}

/**
 * Writes a form of the type multipart/form-data (RFC 7578).
 * @param files the fields that are files
 * @throws {ArgumentsError}
 */
export function multipart(
  form: JsonObject,
  files: ReadonlySet<string>,
  types: PartTypes,
): { readonly contentType: string; readonly body: Uint8Array } {
  const boundary = `chaperone-${randomBytes(16).toString('hex')}`
  const pieces: Uint8Array[] = []
  const part = (name: string, more: string, type: string | undefined, bytes: Uint8Array) => {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"${more}\r\n`
    pieces.push(Buffer.from(`${head}${type === undefined ? '' : `content-type: ${type}\r\n`}\r\n`), bytes, newline)
  }
  for (const [name, value] of Object.entries(form)) {
    const type = Object.hasOwn(types, name) ? types[name] : undefined
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each === undefined || each === null) continue
      if (files.has(name)) {
        const { data, filename, contentType } = isObject(each) ? each : ({ data: each } as JsonObject)
        const shown = typeof filename === 'string' && filename !== '' ? filename : name
        const said = typeof contentType === 'string' && mediaType.test(contentType) ? contentType : undefined
        part(name, `; filename="${quoted(shown)}"`, said ?? type ?? 'application/octet-stream', bytesOf(name, data))
      } else if (typeof each === 'object') part(name, '', type ?? 'application/json', Buffer.from(JSON.stringify(each)))
      else part(name, '', type, Buffer.from(String(each)))
    }
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(pieces) }
}

/** The bytes that an argument says in base64. @throws {ArgumentsError} */
export function bytesOf(name: string, value: unknown): Uint8Array {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value.replace(/\s+/g, '')))
    throw new ArgumentsError(`The argument ${JSON.stringify(name.slice(0, 100))} must be a file’s bytes in base64.`)
  return Buffer.from(value, 'base64')
}

const newline = Buffer.from('\r\n')
const mediaType = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/

/** A name in a header (WHATWG HTML, Multipart form data). */
function quoted(name: string): string {
  return name.replace(
    /["\r\n]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
