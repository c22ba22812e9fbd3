/** What a request says of where the gateway was reached. */
export interface Reached {
  /** Of the listener that took the connection, or what a trusted proxy said; never what a client wrote. */
  readonly scheme: 'http' | 'https'
  /** `:authority`, or Host. */
  readonly authority: string | undefined
}

const authorityForm = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/**
 * The URL that clients know the gateway by, without a slash at its end.
 *
 * @param publicUrl `mcp.publicUrl` of the rules; it wins over what the request says
 * @returns undefined where the rules do not say and the request names no usable authority: it would become part of a header and
 *   of JSON that clients act on
 */
export function publicBase(publicUrl: string | undefined, reached: Reached): string | undefined {
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, '')
  const { scheme, authority } = reached
  return authority !== undefined && authorityForm.test(authority) ? `${scheme}://${authority.toLowerCase()}` : undefined
}
