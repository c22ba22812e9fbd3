import type { DocumentPart, ImagePart } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { isOneOf } from '../../fields.ts'
import { type DocumentBlock, type DocumentSource, type ImageBlock, type ImageSource, imageTypes } from './blocks.ts'
import { cacheControl } from './cache-control.ts'

/** @param field where the image stands in the request, for refusals */
export function writeImage({ media, cache }: ImagePart, field: string, context: RequestContext): ImageBlock {
  return { type: 'image', source: imageSource(media, field, context), ...cacheControl(cache) }
}

function imageSource(media: ImagePart['media'], field: string, context: RequestContext): ImageSource {
  if (media.kind === 'url') return { type: 'url', url: media.url }
  if (media.kind === 'file') return { type: 'file', file_id: media.id }
  const type = bareType(media.mediaType)
  const known = type === 'image/jpg' ? 'image/jpeg' : type
  if (!isOneOf(known, imageTypes))
    context.refuse(
      field,
      `Claude takes images as JPEG, PNG, GIF or WebP, not as ${type || 'an unknown type'}. Convert it.`,
    )
  return { type: 'base64', media_type: known, data: media.data }
}

/**
 * Documents are PDF, or plain text, which is what any other text becomes.
 * @param field where the document stands in the request, for refusals
 */
export function writeDocument(part: DocumentPart, field: string, context: RequestContext): DocumentBlock {
  return {
    type: 'document',
    source: documentSource(part.media, field, context),
    ...(saysSomething(part.name) && { title: part.name }),
    ...(saysSomething(part.context) && { context: part.context }),
    ...(part.citations !== undefined && { citations: { enabled: part.citations } }),
    ...cacheControl(part.cache),
  }
}

function documentSource(media: DocumentPart['media'], field: string, context: RequestContext): DocumentSource {
  if (media.kind === 'text') return { type: 'text', media_type: 'text/plain', data: media.text }
  if (media.kind === 'file') return { type: 'file', file_id: media.id }
  const type = media.mediaType === undefined ? undefined : bareType(media.mediaType)
  if (media.kind === 'url' && (type === undefined || type === 'application/pdf')) return { type: 'url', url: media.url }
  if (media.kind === 'base64') {
    if (type === 'application/pdf') return { type: 'base64', media_type: type, data: media.data }
    if (type !== undefined && isText(type))
      return { type: 'text', media_type: 'text/plain', data: Buffer.from(media.data, 'base64').toString('utf8') }
  }
  context.refuse(
    field,
    media.kind === 'url'
      ? `Claude reads documents from a URL as PDF only, not as ${type}. Send the content inline.`
      : `Claude takes documents as PDF or text, not as ${type || 'an unknown type'}. Convert it.`,
  )
}

/** A media type without its parameters. */
function bareType(mediaType: string): string {
  return mediaType.replace(/;.*$/s, '').trim().toLowerCase()
}

function isText(type: string): boolean {
  return type.startsWith('text/') || /^application\/(?:[\w.+-]+\+)?(?:json|xml)$/.test(type)
}

function saysSomething(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== ''
}
