/** What a server's WWW-Authenticate says. Nothing of it is believed yet. */
export interface ServerChallenge {
  readonly resourceMetadata?: string | undefined
  readonly scopes?: readonly string[] | undefined
  readonly error?: string | undefined
}

const longest = 8 * 1024
const mostScopes = 100
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const blanks = /[ \t]*/y

/**
 * Finds the Bearer challenge in WWW-Authenticate (RFC 9110, section 11.6.1), which may hold others beside it.
 * @returns undefined where there is none
 */
export function readChallenge(header: string | undefined): ServerChallenge | undefined {
  if (header === undefined || header.length > longest) return undefined
  const parameters = bearerParameters(header)
  if (!parameters) return undefined
  const scopes = parameters
    .get('scope')
    ?.split(' ')
    .filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(scope))
    .slice(0, mostScopes)
  return {
    resourceMetadata: parameters.get('resource_metadata'),
    scopes: scopes && scopes.length > 0 ? [...new Set(scopes)] : undefined,
    error: parameters.get('error'),
  }
}

/**
 * Goes through the header once. A token is a scheme where no `=` follows it, else a parameter of the scheme before; token68
 * credentials, which end in `=` or stand alone, are passed over.
 */
function bearerParameters(header: string): Map<string, string> | undefined {
  let found: Map<string, string> | undefined
  let current: Map<string, string> | undefined
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const text = pattern.exec(header)?.[0]
    if (text !== undefined) at += text.length
    return text
  }
  while (at < header.length) {
    match(blanks)
    const name = match(token)
    if (name === undefined) {
      at++
      continue
    }
    match(blanks)
    if (header[at] !== '=') {
      current = new Map()
      if (name.toLowerCase() === 'bearer') found ??= current
      continue
    }
    at++
    match(blanks)
    const value = header[at] === '"' ? quoted() : match(token)
    // What is said twice is said in no way that could be trusted; the first counts.
    if (value !== undefined && current && !current.has(name.toLowerCase())) current.set(name.toLowerCase(), value)
  }
  return found

  function quoted(): string | undefined {
    let value = ''
    for (at++; at < header.length; at++) {
      if (header[at] === '"') {
        at++
        return value
      }
      if (header[at] === '\\') at++
      value += header[at] ?? ''
    }
    return undefined
  }
}
