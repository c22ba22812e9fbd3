import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DocumentPart, Media } from '../../conversation.ts'
import { DocumentNames, writeAudio, writeDocument, writeImage } from './media.ts'
import { context, errorOf } from './testing.ts'

const inline = (mediaType: string): Media => ({ kind: 'base64', mediaType, data: 'AA==' })
const bytes = { bytes: 'AA==' }
const image = (media: Media) => writeImage({ type: 'image', media }, context())
const document = (part: Omit<DocumentPart, 'type'>) =>
  writeDocument({ type: 'document', ...part }, new DocumentNames(), context())

describe('images', () => {
  test.each([
    ['image/png', 'png'],
    ['image/jpeg', 'jpeg'],
    ['image/jpg', 'jpeg'],
    ['image/gif', 'gif'],
    ['image/webp', 'webp'],
    ['IMAGE/PNG', 'png'],
    ['image/jpeg; q=1', 'jpeg'],
  ])('as %s', (mediaType, format) => {
    expect(image(inline(mediaType))).toEqual({ image: { format, source: bytes } })
  })

  test.each([
    ['s3://bucket/a.JPG', undefined, 'jpeg'],
    ['s3://bucket/a?b#c.webp', undefined, 'webp'],
    ['s3://bucket/a', 'image/png', 'png'],
  ])('in S3: %s', (url, mediaType, format) => {
    expect(image({ kind: 'url', url, ...(mediaType && { mediaType }) })).toEqual({
      image: { format, source: { s3Location: { uri: url } } },
    })
  })

  test.each<[Media, string]>([
    [inline('image/svg+xml'), 'as image/svg+xml'],
    [inline('constructor'), 'as constructor'],
    [inline(''), 'of an unknown type'],
    [{ kind: 'url', url: 's3://bucket/a' }, 'of an unknown type'],
    [{ kind: 'url', url: 's3://bucket/a.tiff' }, 'as image/tiff'],
    [{ kind: 'url', url: 'https://x.example/a.png?key=SECRET' }, 'https://x.example/a.png cannot be used'],
    [{ kind: 'file', id: 'file-1' }, 'a file id means nothing to Bedrock'],
  ])('%j are refused', (media, words) => {
    const error = errorOf(() => image(media))
    expect(error).toMatchObject({ status: 400, code: 'unsupported_field', param: 'image' })
    expect(error.message).toContain(words)
    expect(error.message).not.toContain('SECRET')
  })
})

describe('documents', () => {
  test.each([
    ['application/pdf', 'pdf'],
    ['text/csv', 'csv'],
    ['text/html; charset=utf-8', 'html'],
    ['Text/Markdown', 'md'],
    ['application/msword', 'doc'],
    ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
    ['application/vnd.ms-excel', 'xls'],
    ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
    ['application/json', 'txt'],
    ['text/x-python', 'txt'],
  ])('as %s', (mediaType, format) => {
    expect(document({ media: inline(mediaType) })).toEqual({ document: { format, name: 'document', source: bytes } })
  })

  test('of plain text', () => {
    expect(document({ media: { kind: 'text', text: 'Århus' }, name: 'Notes.txt', context: 'Of 2025.' })).toEqual({
      document: {
        format: 'txt',
        name: 'Notes',
        source: { bytes: Buffer.from('Århus').toString('base64') },
        context: 'Of 2025.',
      },
    })
  })

  test('whose type the name tells', () => {
    const media = inline('application/octet-stream')
    expect(document({ media, name: 'a.DOCX' })).toMatchObject({ document: { format: 'docx', name: 'a' } })
    expect(document({ media, name: 'a#b.txt' })).toMatchObject({ document: { format: 'txt', name: 'a-b' } })
    expect(document({ media: { kind: 'url', url: 's3://bucket/a.pdf' } })).toEqual({
      document: { format: 'pdf', name: 'document', source: { s3Location: { uri: 's3://bucket/a.pdf' } } },
    })
  })

  test('a blank context says nothing', () => {
    expect(document({ media: inline('application/pdf'), context: ' ' })).not.toHaveProperty('document.context')
  })

  test.each<[string, Omit<DocumentPart, 'type'>]>([
    ['document', { media: inline('application/zip') }],
    ['document', { media: inline('application/octet-stream') }],
    ['document', { media: inline('application/octet-stream'), name: 'a.exe' }],
    ['document', { media: inline('application/octet-stream'), name: 'constructor.' }],
    ['document', { media: { kind: 'url', url: 's3://bucket/a' } }],
    ['document', { media: { kind: 'url', url: 'https://x.example/a.pdf' } }],
    ['document', { media: { kind: 'file', id: 'file-1' } }],
    ['citations', { media: inline('application/pdf'), citations: true }],
  ])('%s is refused: %j', (param, part) => {
    expect(errorOf(() => document(part))).toMatchObject({ status: 400, code: 'unsupported_field', param })
  })
})

describe('names', () => {
  test.each([
    [undefined, 'document'],
    ['', 'document'],
    ['  ', 'document'],
    ['日本.pdf', 'document'],
    ['Report (final) [v2].pdf', 'Report (final) [v2]'],
    ['a_b/c\\d.tar.gz', 'a-b-c-d-tar'],
    ['a \t\n b', 'a b'],
    ['- a -', 'a'],
    ['x'.repeat(300), 'x'.repeat(190)],
  ])('%j', (name, written) => {
    expect(new DocumentNames().next(name)).toBe(written)
  })

  test('are all different, whatever the client calls them, and such as Bedrock takes', () => {
    const name = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a', 'a (2)', 'a (2).pdf', 'a.b', undefined))
    fc.assert(
      fc.property(fc.array(name), (asked) => {
        const names = new DocumentNames()
        const written = asked.map((name) => names.next(name))
        expect(new Set(written).size).toBe(asked.length)
        for (const name of written) {
          expect(name).toMatch(/^[A-Za-z0-9\s()[\]-]{1,200}$/)
          expect(name).not.toMatch(/\s\s/)
        }
      }),
    )
  })

  test('of any length and number take no time to speak of', () => {
    const names = new DocumentNames()
    const begun = performance.now()
    for (let count = 0; count < 20_000; count++) names.next('a')
    names.next(`a${'-'.repeat(1_000_000)}b`)
    errorOf(() => document({ media: inline('application/octet-stream'), name: `${'.a?'.repeat(300_000)}\n` }))
    expect(performance.now() - begun).toBeLessThan(5_000)
  })
})

describe('sound', () => {
  test.each(['wav', 'mp3', 'flac', 'ogg', 'opus', 'aac', 'm4a', 'webm', 'mp4'])('as %s', (format) => {
    expect(writeAudio({ type: 'audio', format, data: 'AA==' }, context())).toEqual({ audio: { format, source: bytes } })
  })

  test('in another form is refused', () => {
    expect(errorOf(() => writeAudio({ type: 'audio', format: 'pcm16', data: '' }, context()))).toMatchObject({
      code: 'unsupported_field',
      param: 'audio',
    })
  })
})
