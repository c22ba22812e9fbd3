import { readFileSync } from 'node:fs'
import { Cluster, Redis, type RedisOptions } from 'ioredis'

export type RedisClient = Redis | Cluster

/** How long a connection and an answer may take. */
const connectMs = 2_000
const commandMs = 2_000
const longestPauseMs = 2_000

/**
 * Connects to Redis (or Valkey).
 *
 *     redis://[user[:password]@]host[:port][/db]            one server; rediss:// with TLS
 *     redis+sentinel://host[:port],host…/MASTER[/db]        a master that Sentinels know; rediss+sentinel:// with TLS
 *     redis+cluster://host[:port],host…                     a Cluster; rediss+cluster:// with TLS
 *
 * with `?passwordFile=`, `?ca=`, `?cert=`, `?key=` (PEM files), `?serverName=` as needed.
 * @param report told once of each outage; an outage ends no process
 * @throws {RangeError} where the URL is none; the message does not hold it
 */
export function connectRedis(url: string, report: (error: unknown) => void): RedisClient {
  const { kind, tls, nodes, path, user, password, query } = parseRedisUrl(url)
  const options: RedisOptions = {
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: tlsOptions(query, nodes[0]!.host) }),
    connectTimeout: connectMs,
    commandTimeout: commandMs,
    maxRetriesPerRequest: 1,
    enableAutoPipelining: true,
    connectionName: 'chaperone',
    retryStrategy: pause,
  }
  const client =
    kind === 'cluster'
      ? new Cluster(nodes, {
          redisOptions: options,
          clusterRetryStrategy: pause,
          enableAutoPipelining: true,
          slotsRefreshTimeout: connectMs,
        })
      : kind === 'sentinel'
        ? new Redis({
            ...options,
            sentinels: nodes,
            name: path[0]!,
            db: dbOf(path[1]),
            sentinelRetryStrategy: pause,
            ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(query, nodes[0]!.host) }),
          })
        : new Redis({ ...options, ...nodes[0]!, db: dbOf(path[0]) })
  let away = false
  client.on('error', (error: unknown) => {
    if (away) return
    away = true
    report(new Error('Redis cannot be reached', { cause: error }))
  })
  client.on('ready', () => {
    away = false
  })
  return client
}

/** @param attempt from 1. @returns ms before the next, spread so that sidecars do not all come back at once */
function pause(attempt: number): number {
  return Math.min(longestPauseMs, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2)
}

interface RedisUrl {
  kind: 'single' | 'sentinel' | 'cluster'
  tls: boolean
  nodes: { host: string; port: number }[]
  path: string[]
  user: string | undefined
  password: string | undefined
  query: URLSearchParams
}

const form = /^redis(s?)(\+sentinel|\+cluster)?:\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/

/** @throws {RangeError} */
export function parseRedisUrl(url: string): RedisUrl {
  const match = form.exec(url)
  if (!match)
    throw new RangeError(
      'A store is redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/MASTER or redis+cluster://HOST:PORT,HOST:PORT (rediss… with TLS).',
    )
  const [, secure, suffix, login, hosts, rest = '', query = ''] = match
  const kind = suffix === '+sentinel' ? 'sentinel' : suffix === '+cluster' ? 'cluster' : 'single'
  const usual = kind === 'sentinel' ? 26379 : 6379
  const nodes = hosts!.split(',').map((host) => {
    const [, name, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(host) ?? []
    if (name === undefined) throw new RangeError('The store’s URL names a host that is none.')
    return { host: name.replace(/^\[|\]$/g, ''), port: port === undefined ? usual : Number(port) }
  })
  if (kind === 'single' && nodes.length > 1) throw new RangeError('redis:// names one host; redis+cluster:// several.')
  const path = rest.split('/').filter((part) => part !== '')
  if (kind === 'sentinel' && path.length === 0)
    throw new RangeError('redis+sentinel:// ends in the master’s name: redis+sentinel://HOST:PORT/MASTER.')
  const parameters = new URLSearchParams(query)
  const colon = login?.indexOf(':') ?? -1
  const user = login === undefined ? undefined : decodeURIComponent(colon < 0 ? login : login.slice(0, colon))
  const inline = login !== undefined && colon >= 0 ? decodeURIComponent(login.slice(colon + 1)) : undefined
  const passwordFile = parameters.get('passwordFile')
  return {
    kind,
    tls: secure === 's',
    nodes,
    path,
    user: user === '' ? undefined : user,
    password: passwordFile === null ? inline : readFileSync(passwordFile, 'utf8').trim(),
    query: parameters,
  }
}

function dbOf(text: string | undefined): number {
  const db = text === undefined ? 0 : Number(text)
  if (!Number.isInteger(db) || db < 0)
    throw new RangeError('The store’s URL ends in a number of a database, or in none.')
  return db
}

function tlsOptions(query: URLSearchParams, host: string): NonNullable<RedisOptions['tls']> {
  const file = (name: string) => {
    const path = query.get(name)
    return path === null ? {} : { [name]: readFileSync(path) }
  }
  return { servername: query.get('serverName') ?? host, ...file('ca'), ...file('cert'), ...file('key') }
}
