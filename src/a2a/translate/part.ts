import { isObject, type JsonObject } from '../../json.ts'
import { A2aError, invalidParams } from '../errors.ts'
import { compact, field, objectAt, optionalObject } from './fields.ts'
import type { LegacyStyle } from './style.ts'

/** Parts: 1.0, section 4.1.6; 0.3, section 6.5. */

/** In a data part's metadata: its data is no object and stands under `value`. The official SDKs use this name. */
const wrappedMark = 'data_part_compat'
/** In a part's metadata: the media type and file name of a part whose kind has no fields for them in 0.3. */
const labelMark = 'a2a_part_labels'

/** A part of 0.3, in either spelling, as 1.0 has it. @throws {A2aError} where it is none */
export function modernPart(value: unknown, path: string): JsonObject {
  const part = objectAt(value, path)
  const metadata = optionalObject(field(part, 'metadata'), `${path}.metadata`)
  const members = ['text', 'file', 'data'].filter((name) => part[name] !== undefined)
  const kind = field(part, 'kind') ?? (members.length === 1 ? members[0] : undefined)
  switch (kind) {
    case 'text':
      return withLabels({ text: part.text }, metadata)
    case 'file':
      return { ...modernFile(objectAt(part.file, `${path}.file`), `${path}.file`), ...(metadata && { metadata }) }
    case 'data': {
      const data = objectAt(part.data, `${path}.data`)
      // Protobuf's JSON has an object more around it.
      return unwrapped(part.kind === undefined ? objectAt(data.data, `${path}.data.data`) : data, metadata)
    }
    default:
      throw invalidParams(path, 'must be one of text, file and data')
  }
}

function modernFile(file: JsonObject, path: string): JsonObject {
  const raw = field(file, 'bytes') ?? field(file, 'fileWithBytes')
  const url = field(file, 'uri') ?? field(file, 'fileWithUri')
  if ((raw === undefined) === (url === undefined)) throw invalidParams(path, 'must have either bytes or a uri')
  return {
    ...(raw === undefined ? { url } : { raw }),
    ...compact({ mediaType: field(file, 'mimeType'), filename: field(file, 'name') }),
  }
}

function unwrapped(data: JsonObject, metadata: JsonObject | undefined): JsonObject {
  if (metadata?.[wrappedMark] !== true || !('value' in data)) return withLabels({ data }, metadata)
  const { [wrappedMark]: _, ...rest } = metadata
  return withLabels({ data: data.value }, Object.keys(rest).length > 0 ? rest : undefined)
}

function withLabels(content: JsonObject, metadata: JsonObject | undefined): JsonObject {
  const labels = metadata?.[labelMark]
  if (metadata === undefined || !isObject(labels)) return { ...content, ...(metadata && { metadata }) }
  const { [labelMark]: _, ...rest } = metadata
  return {
    ...content,
    ...compact({ mediaType: labels.mediaType, filename: labels.filename }),
    ...(Object.keys(rest).length > 0 && { metadata: rest }),
  }
}

/**
 * A part of 1.0 as 0.3 has it.
 * @throws {A2aError} where it has no content, or data that protobuf's spelling cannot carry
 */
export function legacyPart(value: unknown, style: LegacyStyle, path: string): JsonObject {
  const part = objectAt(value, path)
  const metadata = optionalObject(part.metadata, `${path}.metadata`)
  if (part.text !== undefined)
    return style === 'proto' ? { text: part.text } : { kind: 'text', text: part.text, ...labelled(part, metadata) }
  if (part.raw !== undefined || part.url !== undefined) {
    if (style === 'proto')
      return {
        file: {
          ...(part.raw === undefined ? { fileWithUri: part.url } : { fileWithBytes: part.raw }),
          ...compact({ mimeType: part.mediaType }),
        },
      }
    const labels = compact({ mimeType: part.mediaType, name: part.filename })
    const file = { ...(part.raw === undefined ? { uri: part.url } : { bytes: part.raw }), ...labels }
    return { kind: 'file', file, ...(metadata && { metadata }) }
  }
  if (!('data' in part)) throw invalidParams(path, 'must have text, raw, url or data')
  const whole = isObject(part.data)
  if (style === 'proto') {
    if (whole) return { data: { data: part.data } }
    throw new A2aError(
      'unsupportedOperation',
      `${path}: this agent speaks A2A 0.3, in which data is an object; wrap what is sent, as {"value": …}`,
    )
  }
  return whole
    ? { kind: 'data', data: part.data, ...labelled(part, metadata) }
    : { kind: 'data', data: { value: part.data }, ...labelled(part, { ...metadata, [wrappedMark]: true }) }
}

function labelled(part: JsonObject, metadata: JsonObject | undefined): { metadata?: JsonObject } {
  const labels = compact({ mediaType: part.mediaType, filename: part.filename })
  if (Object.keys(labels).length > 0) return { metadata: { ...metadata, [labelMark]: labels } }
  return metadata === undefined ? {} : { metadata }
}
