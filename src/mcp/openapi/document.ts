import { parse } from 'yaml'
import { isObject } from '../../json.ts'
import type { JsonObject } from '../protocol.ts'

/** An OpenAPI 3.x document, read defensively: it is somebody else's text. */

const longestDocument = 8 * 1024 * 1024
const mostReferences = 50

/** A document cannot be used; the message says where in it, and what to do. */
export class DocumentError extends RangeError {
  override readonly name = 'DocumentError'
}

export class OpenApiDocument {
  readonly root: JsonObject
  readonly #name: string

  /** @param name the file's, for messages @throws {DocumentError} */
  constructor(text: string, name: string) {
    this.#name = name
    if (text.length > longestDocument) throw this.error('', `is longer than ${longestDocument} characters`)
    let root: unknown
    try {
      root = text.trimStart().startsWith('{') ? JSON.parse(text) : parse(text, { maxAliasCount: 100 })
    } catch (error) {
      throw this.error('', `is neither JSON nor YAML: ${(error as Error).message.split('\n')[0]}`)
    }
    if (!isObject(root)) throw this.error('', 'must be an object')
    const { openapi } = root
    if (typeof openapi !== 'string' || !/^3\.[012]\b/.test(openapi))
      throw this.error('openapi', 'must be a version 3.0, 3.1 or 3.2; convert older documents')
    if (!isObject(root.paths)) throw this.error('paths', 'must be an object')
    this.root = root
  }

  /** The object that a value is or refers to; undefined where it is none. @throws {DocumentError} */
  object(value: unknown, path: string): JsonObject | undefined {
    let found = value
    for (let i = 0; isObject(found) && typeof found.$ref === 'string'; i++) {
      if (i > mostReferences) throw this.error(path, 'refers to itself')
      found = this.#target(found.$ref, path)
    }
    return isObject(found) ? found : undefined
  }

  error(path: string, message: string): DocumentError {
    return new DocumentError(`${this.#name}: ${path === '' ? '' : `${path} `}${message}`)
  }

  /** Only inside of the document: nothing is fetched, and no other file is read. */
  #target(reference: string, path: string): unknown {
    if (!reference.startsWith('#/'))
      throw this.error(path, `refers to ${reference.slice(0, 200)}, outside of the document; bundle it first`)
    let target: unknown = this.root
    for (const step of reference.slice(2).split('/')) {
      const key = decodeURIComponent(step).replace(/~1/g, '/').replace(/~0/g, '~')
      target = isObject(target) && Object.hasOwn(target, key) ? target[key] : undefined
    }
    if (target === undefined) throw this.error(path, `refers to ${reference.slice(0, 200)}, which is not there`)
    return target
  }
}
