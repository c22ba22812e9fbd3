/** The three forms of an HTTP date (RFC 9110, section 5.6.7). Date.parse alone takes `-5` for a day in May. */
const httpDate =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/

/**
 * How long a provider asks to be left alone: `retry-after-ms` (OpenAI, Azure), or Retry-After in seconds or as a date
 * (RFC 9110, section 10.2.3).
 * @param nowMs Unix milliseconds
 * @returns milliseconds, as many as it says; undefined where it does not say, or not in a way that can be read
 */
export function retryAfterMs(headers: ReadonlyMap<string, string>, nowMs: number): number | undefined {
  const exact = headers.get('retry-after-ms')?.trim()
  if (exact !== undefined && /^\d{1,15}(\.\d+)?$/.test(exact)) return Number(exact)
  const text = headers.get('retry-after')?.trim()
  if (text === undefined) return undefined
  if (/^\d{1,12}(\.\d+)?$/.test(text)) return Number(text) * 1000
  if (!httpDate.test(text)) return undefined
  // All are in GMT; the third form does not say so.
  const date = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}
