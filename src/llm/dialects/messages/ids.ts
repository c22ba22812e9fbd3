/** The answer's id: the provider's where it is one of this API, else one made of what there is. */
export function messageId(id: string, fallback: string): string {
  const known = id === '' ? fallback : id
  return known.startsWith('msg_') ? known : `msg_${known}`
}

/** What Anthropic takes as the id of a tool call. */
const accepted = /^[a-zA-Z0-9_-]+$/
const madePrefix = 'toolu_chaperone_'

/**
 * A tool call's id for a client of this API. Other providers' ids (`functions.search:0`) would be refused by Anthropic
 * if the conversation went on there as the client wrote it, so what does not fit travels encoded.
 */
export function writeToolId(id: string): string {
  return accepted.test(id) && !id.startsWith(madePrefix)
    ? id
    : madePrefix + Buffer.from(id, 'utf8').toString('base64url')
}

/** Undoes writeToolId. An id that only looks like one of its making stays as it is. */
export function readToolId(id: string): string {
  if (!id.startsWith(madePrefix)) return id
  const original = Buffer.from(id.slice(madePrefix.length), 'base64url').toString('utf8')
  return writeToolId(original) === id ? original : id
}
