const plain = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/
const sentinel = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/

/** A value as it stands in Mcp-Name and Mcp-Param-… (2026-07-28, Value Encoding). */
export function headerValue(value: string): string {
  if (plain.test(value) && !(value.startsWith('=?base64?') && value.endsWith('?='))) return value
  return `=?base64?${Buffer.from(value).toString('base64')}?=`
}

/** The value that such a header means; undefined where it is none. */
export function decodeHeaderValue(text: string): string | undefined {
  if (!text.startsWith('=?base64?') || !text.endsWith('?=')) return plain.test(text) || text === '' ? text : undefined
  const encoded = sentinel.exec(text)?.[1]
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  // Only what was well-formed, in Base64 and in UTF-8, comes out the same again.
  if (bytes.toString('base64') !== encoded) return undefined
  const value = bytes.toString('utf8')
  return Buffer.from(value).equals(bytes) ? value : undefined
}
