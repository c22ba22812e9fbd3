import type { Cluster, Redis } from 'ioredis'

/**
 * A connection that listens to one channel for as long as it is open, through outages: what was said while nobody listened is told by
 * `told` being called once more when it listens again.
 *
 * ioredis would subscribe again by itself, but nobody hears when that fails because the connection breaks once more: an unhandled rejection,
 * which ends the process.
 */
export class RedisListener {
  readonly #connection: Redis | Cluster

  /**
   * @param client stays the caller's; the connection is another one like it, because one that listens can do nothing else
   * @param told something was said on the channel, or may have been
   * @param failed the channel cannot be listened to; it is tried again with the next connection
   */
  constructor(client: Redis | Cluster, channel: string, told: () => void, failed: (error: unknown) => void = () => {}) {
    const connection = 'nodes' in client ? client.duplicate() : client.duplicate({ autoResubscribe: false })
    this.#connection = connection
    // That Redis is away is said by whoever asks it something; without a listener ioredis would print it.
    connection.on('error', () => {})
    connection.on('message', told)
    const subscribe = () => {
      connection.subscribe(channel).then(told, failed)
    }
    // A Cluster moves its subscriptions from node to node by itself.
    if ('nodes' in client) subscribe()
    else connection.on('ready', subscribe)
  }

  close(): void {
    this.#connection.disconnect()
  }
}
