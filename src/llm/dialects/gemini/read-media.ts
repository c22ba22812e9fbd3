import type { AudioPart, DocumentPart, ImagePart, JsonObject } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { at, definedOnly, requiredText, textField, unsupported } from '../../fields.ts'
import { audioFormat, isGoogleFile, typeByName } from './media.ts'
import { camelFields } from './spelling.ts'

/** Reads `inlineData`: what it is is told by its media type. */
export function readInline(data: JsonObject, path: string): ImagePart | DocumentPart | AudioPart {
  const blob = camelFields(data)
  const mediaType = requiredText(blob, 'mimeType', path)
  const content = requiredText(blob, 'data', path)
  const kind = mediaKind(mediaType)
  switch (kind) {
    case 'audio':
      return { type: 'audio', format: audioFormat(mediaType), data: content }
    case 'image':
      return { type: 'image', media: { kind: 'base64', mediaType, data: content } }
    case 'text':
      return named({ type: 'document', media: { kind: 'text', text: textOfBase64(content) } }, blob, path)
    case 'document':
      return named({ type: 'document', media: { kind: 'base64', mediaType, data: content } }, blob, path)
    case 'video':
      throw video(path)
  }
}

/**
 * Reads `fileData`, which is behind a URL. Files that were uploaded to Google or lie in Cloud Storage are for Gemini's
 * eyes only.
 */
export function readFile(data: JsonObject, path: string): ImagePart | DocumentPart {
  const file = camelFields(data)
  const url = requiredText(file, 'fileUri', path)
  const inner = at(path, 'fileUri')
  if (isGoogleFile(url))
    throw unsupported(
      inner,
      `${inner}: the provider behind this model cannot read files at Google. Send the content inline or by a public URL.`,
    )
  if (!/^https?:\/\//i.test(url)) throw invalid(inner, `${inner} must be an http(s) URL.`)
  const mediaType = textField(file, 'mimeType', path) ?? typeByName(url)
  if (mediaType === undefined) throw invalid(at(path, 'mimeType'), `${at(path, 'mimeType')} is required.`)
  const kind = mediaKind(mediaType)
  if (kind === 'image') return { type: 'image', media: { kind: 'url', url, mediaType } }
  if (kind === 'video') throw video(path)
  if (kind === 'audio')
    throw unsupported(path, `${path}: the provider behind this model takes no sound by URL. Send it inline.`)
  return named({ type: 'document', media: { kind: 'url', url, mediaType } }, file, path)
}

function mediaKind(mediaType: string): 'image' | 'audio' | 'video' | 'text' | 'document' {
  const [family] = mediaType.toLowerCase().split('/')
  return family === 'image' || family === 'audio' || family === 'video' || family === 'text' ? family : 'document'
}

function named(part: DocumentPart, blob: JsonObject, path: string): DocumentPart {
  return definedOnly<DocumentPart>({ ...part, name: textField(blob, 'displayName', path) })
}

function textOfBase64(data: string): string {
  return Buffer.from(data, 'base64').toString('utf8')
}

function video(path: string) {
  return unsupported(path, `${path}: the provider behind this model takes no video. Send single images of it.`)
}
