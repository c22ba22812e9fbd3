/**
 * How long a provider asks to be left alone: `retry-after-ms` (OpenAI, Azure), or Retry-After in seconds or as a date
 * (RFC 9110, section 10.2.3).
 * @param nowMs Unix milliseconds
 * @returns milliseconds; undefined where it does not say, or not in a way that can be read
 */
export function retryAfterMs(headers: ReadonlyMap<string, string>, nowMs: number): number | undefined {
  const exact = headers.get('retry-after-ms')
  if (exact !== undefined && /^\d{1,9}(\.\d+)?$/.test(exact.trim())) return Number(exact)
  const text = headers.get('retry-after')?.trim()
  if (text === undefined || text === '') return undefined
  if (/^\d{1,6}(\.\d+)?$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}
