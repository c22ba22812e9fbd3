import type { AudioPart, DocumentPart, ImagePart, Media } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import type { Block, Source } from './wire.ts'

/**
 * Images, documents and sound. Bedrock takes bytes, or an object in S3; it fetches nothing from the web and this
 * service does not fetch for it, so a URL is refused, as are file ids, which are other providers'.
 */

const imageFormats: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
}

/** Media types of Bedrock's document formats. Any other text is `txt`: the format is only how to read the bytes. */
const documentFormats: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'text/html': 'html',
  'text/markdown': 'md',
  'application/json': 'txt',
  'application/xml': 'txt',
}

/** Bedrock's sound formats that OpenAI's words or file extensions name. */
const audioFormats = ['wav', 'mp3', 'flac', 'ogg', 'opus', 'aac', 'm4a', 'webm', 'mp4']

export function writeImage({ media }: ImagePart, context: RequestContext): Block {
  const type = media.kind === 'file' ? undefined : (bareType(media.mediaType) ?? typeByName(media))
  const source = writeSource(media, 'image', context)
  const format = type && own(imageFormats, type)
  if (format === undefined)
    context.refuse(
      'image',
      `Bedrock takes images as PNG, JPEG, GIF or WebP, not ${type ? `as ${type}` : 'of an unknown type'}. Convert it.`,
    )
  return { image: { format, source } }
}

/** Characters of a client's name that are looked at: enough for Bedrock's 200, however many of them it does not allow. */
const longestName = 1000

/** Gives each document of a request a name of its own, as Bedrock demands. */
export class DocumentNames {
  readonly #taken = new Set<string>()
  /** How often a name was asked for, so that many documents of one name are not counted through for each. */
  readonly #asked = new Map<string, number>()

  /**
   * @param name a file name or title. Its extension, and characters that Bedrock does not allow, go: it takes letters
   *   and digits, single spaces, hyphens, parentheses and square brackets, up to 200.
   */
  next(name: string | undefined): string {
    const base =
      (name ?? '')
        .replace(/\.[A-Za-z0-9]{1,5}$/, '')
        .slice(0, longestName)
        .replace(/[^A-Za-z0-9\s()[\]-]+/g, '-')
        .replace(/\s+/g, ' ')
        .replace(/^[\s-]+|[\s-]+$/g, '')
        .slice(0, 190)
        .trimEnd() || 'document'
    let count = (this.#asked.get(base) ?? 0) + 1
    let unique = count === 1 ? base : `${base} (${count})`
    while (this.#taken.has(unique)) unique = `${base} (${++count})`
    this.#asked.set(base, count)
    this.#taken.add(unique)
    return unique
  }
}

export function writeDocument(part: DocumentPart, names: DocumentNames, context: RequestContext): Block {
  if (part.citations)
    context.refuse(
      'citations',
      "citations cannot be carried between Bedrock's API and the one of this request. Leave them out of the document.",
    )
  const { media } = part
  const type = media.kind === 'text' ? 'text/plain' : media.kind === 'file' ? undefined : media.mediaType
  const source =
    media.kind === 'text'
      ? { bytes: Buffer.from(media.text, 'utf8').toString('base64') }
      : writeSource(media, 'document', context)
  const format = documentFormat(type, media.kind === 'url' ? media.url : part.name)
  if (format === undefined)
    context.refuse(
      'document',
      `Bedrock does not take documents ${type ? `of type ${type}` : 'of an unknown type'}. Send PDF, CSV, Word, Excel, HTML, Markdown or plain text, with its media type.`,
    )
  return {
    document: {
      format,
      name: names.next(part.name),
      source,
      ...(part.context !== undefined && part.context.trim() !== '' && { context: part.context }),
    },
  }
}

function documentFormat(mediaType: string | undefined, name: string | undefined): string | undefined {
  const type = bareType(mediaType)
  if (type !== undefined && type !== 'application/octet-stream')
    return own(documentFormats, type) ?? (type.startsWith('text/') ? 'txt' : undefined)
  const extension = extensionOf(name ?? '')
  if (extension === undefined) return undefined
  return extension === 'txt' ? 'txt' : Object.values(documentFormats).find((format) => format === extension)
}

export function writeAudio({ format, data }: AudioPart, context: RequestContext): Block {
  if (!audioFormats.includes(format))
    context.refuse('audio', `Bedrock does not take sound as ${format}. Convert it to wav, mp3, flac, ogg or aac.`)
  return { audio: { format, source: { bytes: data } } }
}

function writeSource(media: Media, field: 'image' | 'document', context: RequestContext): Source {
  if (media.kind === 'base64') return { bytes: media.data }
  if (media.kind === 'file')
    context.refuse(field, 'a file id means nothing to Bedrock, which keeps no files. Send the content inline.')
  if (media.url.startsWith('s3://')) return { s3Location: { uri: media.url } }
  context.refuse(
    field,
    `Bedrock fetches nothing from the web, so ${withoutQuery(media.url)} cannot be used. Send the content inline (base64) or from S3 (s3://).`,
  )
}

/** Queries hold signatures and keys, which have no place in messages and logs. */
function withoutQuery(url: string): string {
  return url.split(/[?#]/, 1)[0]!.slice(0, 200)
}

function typeByName(media: Media): string | undefined {
  const extension = media.kind === 'url' ? extensionOf(media.url) : undefined
  return extension && `image/${extension}`
}

/** Of a file's name or of an object's in S3, where `?` and `#` are letters like others. */
function extensionOf(name: string): string | undefined {
  return /\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase()
}

/** A media type without its parameters, in the lower case of the tables. */
function bareType(mediaType: string | undefined): string | undefined {
  const [type] = mediaType?.split(';', 1) ?? []
  return type?.trim().toLowerCase() || undefined
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
