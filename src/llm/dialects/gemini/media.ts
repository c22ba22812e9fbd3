import type { AudioPart, DocumentPart, ImagePart, Media } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import type { Blob, FileData } from './wire.ts'

export type MediaPart = { inlineData: Blob } | { fileData: FileData }

/**
 * Images and documents. Both APIs fetch public and pre-signed URLs themselves (`fileData.fileUri`, also `gs://`), but
 * want to be told the media type: where the client did not, the URL's file name must (ai.google.dev/gemini-api/docs/
 * file-input-methods). Files uploaded to Google are known by their URI; another provider's file ids mean nothing here.
 */
export function writeMedia(part: ImagePart | DocumentPart, context: RequestContext): MediaPart {
  const { media } = part
  if (media.kind === 'base64') return { inlineData: { mimeType: media.mediaType, data: media.data } }
  if (media.kind === 'text')
    return { inlineData: { mimeType: 'text/plain', data: Buffer.from(media.text, 'utf8').toString('base64') } }
  return { fileData: fileData(media, part.type, context) }
}

function fileData(
  media: Exclude<Media, { kind: 'base64' }>,
  field: 'image' | 'document',
  context: RequestContext,
): FileData {
  if (media.kind === 'file') {
    if (!isGoogleFile(media.id))
      context.refuse(
        field,
        'a file id means nothing to Gemini, which knows uploaded files by their URI. Send the content inline or by URL.',
      )
    const mimeType = typeByName(media.id)
    return mimeType === undefined ? { fileUri: media.id } : { fileUri: media.id, mimeType }
  }
  const mimeType = media.mediaType ?? typeByName(media.url)
  if (mimeType === undefined)
    context.refuse(
      field,
      'Gemini must be told the media type of a URL, and this one does not end in a known file name extension. Send the content inline or use a URL that does.',
    )
  return { fileUri: media.url, mimeType }
}

/** Whether a URI is that of a file of the Gemini Files API or of Cloud Storage. */
export function isGoogleFile(uri: string): boolean {
  return /^(?:gs:\/\/|https:\/\/generativelanguage\.googleapis\.com\/)./.test(uri)
}

const types: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  bmp: 'image/bmp',
  pdf: 'application/pdf',
  json: 'application/json',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  htm: 'text/html',
  xml: 'text/xml',
  css: 'text/css',
}

/** @returns the media type that the extension of the URL's path stands for. */
export function typeByName(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const extension = /\.([a-z0-9]+)$/i.exec(new URL(url).pathname)?.[1]?.toLowerCase()
  return extension !== undefined && Object.hasOwn(types, extension) ? types[extension] : undefined
}

/** The sound formats Gemini lists (ai.google.dev/gemini-api/docs/audio), by OpenAI's names and file extensions. */
const audioTypes: Record<string, string> = {
  wav: 'audio/wav',
  mp3: 'audio/mp3',
  aiff: 'audio/aiff',
  aac: 'audio/aac',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
}

/** @returns OpenAI's name for a sound format; for one that is not listed, its own */
export function audioFormat(mediaType: string): string {
  const subtype = mediaType
    .toLowerCase()
    .replace(/^audio\/(?:x-)?|;.*$/gs, '')
    .trim()
  return subtype === 'mpeg' ? 'mp3' : subtype
}

export function writeAudio(part: AudioPart, context: RequestContext): MediaPart {
  const mimeType = Object.hasOwn(audioTypes, part.format) ? audioTypes[part.format] : undefined
  if (mimeType === undefined)
    context.refuse(
      'audio',
      `Gemini does not take sound as ${part.format}. Convert it to ${Object.keys(audioTypes).join(', ')}.`,
    )
  return { inlineData: { mimeType, data: part.data } }
}
