import type { Writer } from './writer.ts'

/** envoy.config.core.v3.HeaderValueOption and HeaderValue. */
const headerValueOption = { header: 1, appendAction: 3 }
const headerValue = { key: 1, value: 2, rawValue: 3 }
const overwriteIfExistsOrAdd = 2

/** The field of HeaderValue that is read: ext_authz reads `value` and ignores `raw_value`; ext_proc wants `raw_value`. */
export type ValueField = 'value' | 'rawValue'

/** Writes HeaderValueOptions that set these headers, in place of what the message has. */
export function writeOverwrites(
  writer: Writer,
  field: number,
  headers: readonly (readonly [name: string, value: string])[],
  valueField: ValueField,
): void {
  const valueNumber = headerValue[valueField]
  for (let index = headers.length - 1; index >= 0; index--) {
    const [name, value] = headers[index]!
    const optionEnd = writer.written
    writer.varint(headerValueOption.appendAction, overwriteIfExistsOrAdd)
    const headerEnd = writer.written
    writer.text(valueNumber, value)
    writer.text(headerValue.key, name)
    writer.nest(headerValueOption.header, headerEnd)
    writer.nest(field, optionEnd)
  }
}

/** envoy.service.ext_proc.v3.HeaderMutation. */
const headerMutation = { setHeaders: 1, removeHeaders: 2 }

/** Writes a HeaderMutation of ext_proc. */
export function writeHeaderMutation(
  writer: Writer,
  field: number,
  set: readonly (readonly [name: string, value: string])[],
  remove: readonly string[],
): void {
  const end = writer.written
  for (let index = remove.length - 1; index >= 0; index--) writer.textItem(headerMutation.removeHeaders, remove[index]!)
  writeOverwrites(writer, headerMutation.setHeaders, set, 'rawValue')
  writer.nest(field, end)
}
