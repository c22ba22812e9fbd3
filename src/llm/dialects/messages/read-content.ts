import type { CacheMarker, DocumentPart, ImagePart, JsonObject, Part, TextPart } from '../../conversation.ts'
import { type ApiError, invalid } from '../../errors.ts'
import {
  at,
  booleanField,
  definedOnly,
  isObject,
  objectField,
  objectList,
  requiredText,
  textField,
  unsupported,
  wordField,
} from '../../fields.ts'

/** Content that users, tools and documents share: text, images, documents. */

/** Reads `cache_control` of a block, a tool or the request. */
export function readCache(object: JsonObject, path: string): CacheMarker | undefined {
  const control = objectField(object, 'cache_control', path)
  if (control === undefined) return undefined
  const inner = at(path, 'cache_control')
  if (control.type !== 'ephemeral') throw invalid(at(inner, 'type'), `${at(inner, 'type')} must be ephemeral.`)
  return { ttl: wordField(control, 'ttl', ['5m', '1h'], inner) ?? '5m' }
}

/** Reads a content field: a string, which is one text, or an array of blocks. */
export function readContent<P extends Part>(
  object: JsonObject,
  key: string,
  parent: string,
  readBlock: (block: JsonObject, path: string) => P,
): (P | TextPart)[] {
  const path = at(parent, key)
  const content = object[key] ?? undefined
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (content === undefined) throw invalid(path, `${path} is required.`)
  if (!Array.isArray(content)) throw invalid(path, `${path} must be a string or an array of content blocks.`)
  return objectList(object, key, parent).map(([block, place]) => readBlock(block, place))
}

/** A block of `system`, or of a message of that role. */
export function readSystemBlock(block: JsonObject, path: string): TextPart {
  const type = requiredText(block, 'type', path)
  if (type !== 'text')
    throw invalid(at(path, 'type'), `${at(path, 'type')} must be text: a system prompt is text only.`)
  return readText(block, path)
}

/** Citations, if any, only repeat where the text was found. */
export function readText(block: JsonObject, path: string): TextPart {
  return definedOnly<TextPart>({
    type: 'text',
    text: requiredText(block, 'text', path),
    cache: readCache(block, path),
  })
}

export function readImage(block: JsonObject, path: string): ImagePart {
  return definedOnly<ImagePart>({
    type: 'image',
    media: readImageSource(...sourceOf(block, path)),
    cache: readCache(block, path),
  })
}

export function readDocument(block: JsonObject, path: string): DocumentPart {
  const citations = objectField(block, 'citations', path)
  return definedOnly<DocumentPart>({
    type: 'document',
    media: readDocumentSource(...sourceOf(block, path)),
    name: textField(block, 'title', path),
    context: textField(block, 'context', path),
    citations: citations && booleanField(citations, 'enabled', at(path, 'citations')),
    cache: readCache(block, path),
  })
}

/** The error for a kind of block that has no meaning outside Anthropic's API, or none at this place. */
export function foreignBlock(path: string, type: string, allowed: string): ApiError {
  return unsupported(
    at(path, 'type'),
    `${at(path, 'type')}: the provider behind this model takes no block of type ${type.slice(0, 60)} here, only ${allowed}. Leave it out or choose a model of Anthropic's own.`,
  )
}

function sourceOf(block: JsonObject, path: string): [source: JsonObject, path: string] {
  const inner = at(path, 'source')
  const { source } = block
  if (!isObject(source)) throw invalid(inner, `${inner} must be an object.`)
  return [source, inner]
}

function readImageSource(source: JsonObject, path: string): ImagePart['media'] {
  const type = requiredText(source, 'type', path)
  return (
    readPlace(type, source, path) ?? fail(at(path, 'type'), `${at(path, 'type')} must be one of base64, url, file.`)
  )
}

function readDocumentSource(source: JsonObject, path: string): DocumentPart['media'] {
  const type = requiredText(source, 'type', path)
  const place = readPlace(type, source, path)
  if (place) return place
  switch (type) {
    case 'text':
      return { kind: 'text', text: requiredText(source, 'data', path) }
    case 'content':
      return { kind: 'text', text: readChunks(source, path) }
    default:
      return fail(at(path, 'type'), `${at(path, 'type')} must be one of base64, text, content, url, file.`)
  }
}

/** What images and documents share. */
function readPlace(type: string, source: JsonObject, path: string): ImagePart['media'] | undefined {
  switch (type) {
    case 'base64':
      return {
        kind: 'base64',
        mediaType: requiredText(source, 'media_type', path),
        data: requiredText(source, 'data', path),
      }
    case 'url':
      return { kind: 'url', url: requiredText(source, 'url', path) }
    case 'file':
      return { kind: 'file', id: requiredText(source, 'file_id', path) }
    default:
      return undefined
  }
}

/** A document in pieces (`source.type: content`), which only citations would tell apart. */
function readChunks(source: JsonObject, path: string): string {
  return readContent(source, 'content', path, (block, place) => {
    const type = requiredText(block, 'type', place)
    if (type === 'text') return readText(block, place)
    throw foreignBlock(place, type, 'text')
  })
    .map(({ text }) => text)
    .join('\n')
}

function fail(path: string, message: string): never {
  throw invalid(path, message)
}
