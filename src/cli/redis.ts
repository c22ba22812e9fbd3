import { connectRedis, type RedisClient } from '../store/redis-client.ts'
import { StoreError } from '../store/rule-store.ts'

/**
 * Uses a Redis for one command.
 * @throws {RangeError} where the URL is none
 * @throws {StoreError} where Redis cannot be reached: the message says why
 */
export async function withRedis<T>(url: string, use: (client: RedisClient) => Promise<T>): Promise<T> {
  let away: unknown
  const client = connectRedis(url, (error) => {
    away = error
  })
  try {
    return await use(client)
  } catch (error) {
    // The client says only that it has tried often enough.
    if (away instanceof Error && isOfConnection(error)) {
      const { cause } = away
      throw new StoreError(`${away.message}: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
    throw error
  } finally {
    client.disconnect()
  }
}

function isOfConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (
    error.name === 'MaxRetriesPerRequestError' ||
    /max retries per request/.test(error.message) ||
    isOfConnection(error.cause)
  )
}
