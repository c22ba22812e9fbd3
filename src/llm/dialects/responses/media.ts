import type { AudioPart, DocumentPart, ImagePart, JsonObject } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { invalid } from '../../errors.ts'
import { at, objectField, requiredText, textField } from '../../fields.ts'

/**
 * Images, files and sound in a request: `input_image` (by URL, data URL or file id), `input_file` (the same, with a
 * name) and `input_audio`.
 */

const dataUrl = /^data:([^;,]+)(?:;[^;,]+)*;base64,(.*)$/is

export function readImage(part: JsonObject, path: string): ImagePart {
  const url = textField(part, 'image_url', path)
  const id = textField(part, 'file_id', path)
  const detail = textField(part, 'detail', path)
  const rest = detail === undefined ? {} : { detail }
  if (url !== undefined) return { type: 'image', media: readUrl(url, at(path, 'image_url')), ...rest }
  if (id !== undefined) return { type: 'image', media: { kind: 'file', id }, ...rest }
  throw invalid(path, `${path} must have an image_url or a file_id.`)
}

export function readFile(part: JsonObject, path: string): DocumentPart {
  const data = textField(part, 'file_data', path)
  const url = textField(part, 'file_url', path)
  const id = textField(part, 'file_id', path)
  const name = textField(part, 'filename', path)
  const rest = name === undefined ? {} : { name }
  if (data !== undefined) return { type: 'document', media: readFileData(data, name, at(path, 'file_data')), ...rest }
  if (url !== undefined) return { type: 'document', media: readUrl(url, at(path, 'file_url')), ...rest }
  if (id !== undefined) return { type: 'document', media: { kind: 'file', id }, ...rest }
  throw invalid(path, `${path} must have file_data, a file_url or a file_id.`)
}

export function readAudio(part: JsonObject, path: string): AudioPart {
  const inner = at(path, 'input_audio')
  const audio = objectField(part, 'input_audio', path)
  if (audio === undefined) throw invalid(inner, `${inner} is required.`)
  return { type: 'audio', format: requiredText(audio, 'format', inner), data: requiredText(audio, 'data', inner) }
}

function readUrl(url: string, path: string): ImagePart['media'] {
  if (!/^data:/i.test(url)) return { kind: 'url', url }
  const match = dataUrl.exec(url)
  if (!match) throw invalid(path, `${path} must be an http(s) URL or a data URL in base64.`)
  return { kind: 'base64', mediaType: match[1]!, data: match[2]! }
}

/** The API takes a data URL as well as bare base64; the latter's type is only told by the name. */
function readFileData(data: string, name: string | undefined, path: string): DocumentPart['media'] {
  if (/^data:/i.test(data)) return readUrl(data, path)
  const extension = /\.([a-z0-9]+)$/i.exec(name ?? '')?.[1]?.toLowerCase() ?? 'pdf'
  const mediaType = Object.keys(extensions).find((type) => extensions[type] === extension)
  return { kind: 'base64', mediaType: mediaType ?? 'application/octet-stream', data }
}

export function writeImage({ media, detail = 'auto' }: ImagePart): JsonObject {
  switch (media.kind) {
    case 'base64':
      return { type: 'input_image', image_url: `data:${media.mediaType};base64,${media.data}`, detail }
    case 'url':
      return { type: 'input_image', image_url: media.url, detail }
    case 'file':
      return { type: 'input_image', file_id: media.id, detail }
  }
}

/**
 * A plain text goes as text, which every model reads, while many take only PDF as a file. A context stands in front,
 * as text. Inline files need a name.
 */
export function writeFile(part: DocumentPart, context: RequestContext): JsonObject[] {
  if (part.citations)
    context.refuse('citations', 'the Responses API does not cite documents. Leave citations out of the document.')
  const before = part.context === undefined ? [] : [{ type: 'input_text', text: part.context }]
  return [...before, fileOf(part, context)]
}

function fileOf({ media, name }: DocumentPart, context: RequestContext): JsonObject {
  switch (media.kind) {
    case 'base64': {
      const filename = name ?? `document.${extensions[media.mediaType.toLowerCase()] ?? 'bin'}`
      return { type: 'input_file', filename, file_data: `data:${media.mediaType};base64,${media.data}` }
    }
    case 'url':
      if (name !== undefined) context.drop('document.name')
      return { type: 'input_file', file_url: media.url }
    case 'file':
      if (name !== undefined) context.drop('document.name')
      return { type: 'input_file', file_id: media.id }
    case 'text':
      if (name !== undefined) context.drop('document.name')
      return { type: 'input_text', text: media.text }
  }
}

/** File name extensions of the document types that the API's guide to file inputs lists. */
const extensions: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'text/csv': 'csv',
  'text/html': 'html',
  'application/json': 'json',
  'application/xml': 'xml',
  'application/rtf': 'rtf',
  'application/msword': 'doc',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
}
