import { RulesError } from './rules.ts'

const timeoutMs = 10_000

/**
 * Asks the management API of a service: what it keeps in memory nobody else can tell.
 * @param api `127.0.0.1:10002`, or a URL
 * @param method `UsageService/QueryUsage`
 * @returns the answer as JSON
 * @throws {RulesError} where it does not answer, or refuses; the message says why
 */
export async function askApi(api: string, method: string, request: object, env = process.env): Promise<unknown> {
  const token = env.CHAPERONE_TOKEN ?? env.CHAPERONE_ADMIN_TOKEN
  if (token === undefined)
    throw new RulesError('Show the API a key with a role: put it into CHAPERONE_TOKEN (or CHAPERONE_ADMIN_TOKEN).')
  let response: Response
  let text: string
  try {
    const base = /^https?:\/\//.test(api) ? api : `http://${api}`
    response = await fetch(new URL(`/chaperone.v1.${method}`, base), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(request),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    text = await response.text()
  } catch (error) {
    const { cause, message } = error as Error
    throw new RulesError(`The API at ${api} cannot be reached: ${cause instanceof Error ? cause.message : message}`)
  }
  if (response.ok) return parse(text)
  const { message } = (parse(text) ?? {}) as { message?: string }
  throw new RulesError(`The API refuses: ${message ?? `status ${response.status}`}`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
