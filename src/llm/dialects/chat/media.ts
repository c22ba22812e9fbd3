import type { AudioPart, DocumentPart, ImagePart, JsonObject, Media } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { invalid } from '../../errors.ts'
import { at, definedOnly, requiredText, textField } from '../../fields.ts'
import { requiredObject } from './wire.ts'

/** Images, files and sound in a user's message: `image_url`, `file` and `input_audio` parts. */

/** `image_url` is an object; some servers take its URL alone, so their clients send that. */
export function readImage(part: JsonObject, path: string): ImagePart {
  const inner = at(path, 'image_url')
  const image = typeof part.image_url === 'string' ? { url: part.image_url } : requiredObject(part, 'image_url', path)
  const url = requiredText(image, 'url', inner)
  return definedOnly<ImagePart>({
    type: 'image',
    media: readUrl(url, at(inner, 'url')),
    detail: textField(image, 'detail', inner),
  })
}

/** `file_data` is a data URL or base64; OpenRouter takes an http(s) URL there as well. */
export function readFile(part: JsonObject, path: string): DocumentPart {
  const inner = at(path, 'file')
  const file = requiredObject(part, 'file', path)
  const name = textField(file, 'filename', inner)
  const data = textField(file, 'file_data', inner)
  const id = textField(file, 'file_id', inner)
  if (data === undefined && id === undefined) throw invalid(inner, `${inner} must have file_data or a file_id.`)
  const media: Media = data === undefined ? { kind: 'file', id: id! } : readFileData(data, name, at(inner, 'file_data'))
  return definedOnly<DocumentPart>({ type: 'document', media, name })
}

export function readAudio(part: JsonObject, path: string): AudioPart {
  const inner = at(path, 'input_audio')
  const audio = requiredObject(part, 'input_audio', path)
  return { type: 'audio', format: requiredText(audio, 'format', inner), data: requiredText(audio, 'data', inner) }
}

function readUrl(url: string, path: string): Media {
  if (!/^data:/i.test(url)) return { kind: 'url', url }
  const comma = url.indexOf(',')
  const [mediaType = '', ...parameters] = url.slice('data:'.length, Math.max(comma, 0)).split(';')
  if (mediaType === '' || parameters.at(-1)?.trim().toLowerCase() !== 'base64')
    throw invalid(path, `${path} must be an http(s) URL or a data URL in base64 with its media type.`)
  return { kind: 'base64', mediaType: mediaType.trim(), data: url.slice(comma + 1) }
}

/** The API takes a data URL as well as bare base64; the latter's type is only told by the name. */
function readFileData(data: string, name: string | undefined, path: string): Media {
  if (/^(?:data|https?):/i.test(data)) return readUrl(data, path)
  const extension = /\.([a-z0-9]+)$/i.exec(name ?? '')?.[1]?.toLowerCase() ?? 'pdf'
  const mediaType = Object.keys(extensions).find((type) => extensions[type] === extension)
  return { kind: 'base64', mediaType: mediaType ?? 'application/octet-stream', data }
}

/** @throws {ApiError} 400 through `context.refuse` for a file id, which the API takes for documents only. */
export function writeImage({ media, detail }: ImagePart, context: RequestContext): JsonObject {
  if (media.kind === 'file')
    context.refuse('image', 'the chat API takes no file ids for images. Send the image inline or by URL.')
  const url = media.kind === 'url' ? media.url : dataUrl(media)
  return { type: 'image_url', image_url: definedOnly({ url, detail }) }
}

/** A plain text goes as text, which every model reads. A context stands in front, as text. Inline files need a name. */
export function writeDocument(part: DocumentPart, context: RequestContext): JsonObject[] {
  const { media, name } = part
  if (part.citations)
    context.refuse('citations', 'the chat API does not cite documents. Leave citations out of the document.')
  if (name !== undefined && media.kind !== 'base64') context.drop('document.name')
  const before = part.context === undefined ? [] : [{ type: 'text', text: part.context }]
  switch (media.kind) {
    case 'text':
      return [...before, { type: 'text', text: media.text }]
    case 'file':
      return [...before, { type: 'file', file: { file_id: media.id } }]
    case 'base64': {
      const filename = name ?? `document.${extensions[media.mediaType.toLowerCase()] ?? 'bin'}`
      return [...before, { type: 'file', file: { filename, file_data: dataUrl(media) } }]
    }
    case 'url':
      context.refuse('document', 'the chat API takes no URLs of documents. Send the document inline.')
  }
}

export function writeAudio({ format, data }: AudioPart): JsonObject {
  return { type: 'input_audio', input_audio: { data, format } }
}

function dataUrl(media: Extract<Media, { kind: 'base64' }>): string {
  return `data:${media.mediaType};base64,${media.data}`
}

/** File name extensions of the document types that OpenAI's guide to file inputs lists. */
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
