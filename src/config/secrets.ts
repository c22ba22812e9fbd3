import { readFileSync, statSync } from 'node:fs'

/** A credential cannot be had. The message names the reference, never a value. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError'
}

/** A value in a Secret or a ConfigMap of Kubernetes. */
export interface ObjectReference {
  readonly kind: 'secret' | 'configMap'
  readonly namespace: string
  readonly name: string
  readonly key: string
}

const objectReferences = /\$\{(secret|configMap):([a-z0-9.-]+)\/([a-z0-9.-]+)\/([-._a-zA-Z0-9]+)\}/g

/** Whether a file's name in the rules is no file, but documents that Kubernetes has. */
export function isDocument(file: string): boolean {
  return file.startsWith('${')
}

function objectReference(text: string): ObjectReference | undefined {
  const [match] = text.matchAll(objectReferences)
  if (match === undefined || match[0] !== text) return undefined
  const [, kind, namespace, name, key] = match
  return { kind: kind as ObjectReference['kind'], namespace: namespace!, name: name!, key: key! }
}

const pollMs = 500
const largestBytes = 64 * 1024

/** A file that was asked for. */
interface Watched {
  /** What `stat` said when it was read: a change of it means a new content. */
  mark: string
  value: string
  /** Whether its last change could not be used, so that this is said once. */
  broken: boolean
}

/**
 * The values behind the references of the rules, `${env:NAME}` and `${file:/path}`.
 *
 * A file is read when it is first asked for and again when it changed, which is looked for beside the requests, so that
 * none of them waits for a disk. Files are looked at rather than watched: Kubernetes swaps a link two levels above them,
 * and network file systems tell no watcher.
 */
export class SecretStore {
  readonly #files = new Map<string, Watched>()
  readonly #env: NodeJS.ProcessEnv
  readonly #report: (error: CredentialError) => void
  readonly #objects: (reference: ObjectReference) => string | undefined
  readonly #timer: NodeJS.Timeout

  /** @param options.report told once when a changed file cannot be used; its last good value stays in use */
  constructor(options: {
    env?: NodeJS.ProcessEnv
    report(error: CredentialError): void
    /** The Secrets and ConfigMaps of Kubernetes as they are now; default: there are none. */
    objects?: ((reference: ObjectReference) => string | undefined) | undefined
  }) {
    this.#env = options.env ?? process.env
    this.#objects = options.objects ?? (() => undefined)
    this.#report = options.report
    this.#timer = setInterval(() => this.refresh(), pollMs)
    this.#timer.unref()
  }

  /**
   * @param reference `${env:NAME}`, `${file:/path}` or `${secret:NAMESPACE/NAME/KEY}`
   * @returns the value as it is now, without blanks around it
   * @throws {CredentialError} where it is missing, empty, too long or no header value
   */
  resolve(reference: string): string {
    const [, kind, name] = /^\$\{(env|file):(.+)\}$/s.exec(reference) ?? []
    if (kind === 'env') return usable(this.#env[name!], reference)
    const object = objectReference(reference)
    if (object) return usable(this.#objects(object), reference)
    if (kind !== 'file') throw new CredentialError(`${reference} is no reference to a secret`)
    let watched = this.#files.get(name!)
    if (!watched) {
      watched = { mark: mark(name!), value: read(name!), broken: false }
      this.#files.set(name!, watched)
    }
    return watched.value
  }

  /**
   * A document that Kubernetes has, such as a certificate, as it is now.
   * @param text one reference, or several whose documents stand one after another
   * @throws {CredentialError} where one is missing
   */
  document(text: string): string {
    return text.replace(objectReferences, (reference) => {
      const found = this.#objects(objectReference(reference)!)
      if (found === undefined) throw new CredentialError(`${reference} is not there`)
      return found.endsWith('\n') ? found : `${found}\n`
    })
  }

  /** Reads the files that changed. */
  refresh(): void {
    for (const [path, watched] of this.#files) {
      try {
        const now = mark(path)
        if (now !== watched.mark) watched.value = read(path)
        watched.mark = now
        watched.broken = false
      } catch (error) {
        if (!watched.broken) this.#report(error as CredentialError)
        watched.broken = true
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** Changes whenever the file's content may have. @throws {CredentialError} where there is no such file */
function mark(path: string): string {
  const { ino, size, mtimeNs } = reading(path, () => statSync(path, { bigint: true }))
  return `${ino} ${size} ${mtimeNs}`
}

function read(path: string): string {
  const text = reading(path, () => {
    const stat = statSync(path)
    // A pipe or a device would be waited for, and with it every request.
    if (!stat.isFile()) throw new Error('it is no file')
    if (stat.size > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`)
    return readFileSync(path, 'utf8')
  })
  return usable(text, `\${file:${path}}`)
}

function reading<T>(path: string, what: () => T): T {
  try {
    return what()
  } catch (error) {
    throw new CredentialError(`\${file:${path}} cannot be read: ${(error as Error).message}`)
  }
}

function usable(text: string | undefined, reference: string): string {
  const value = text?.trim() ?? ''
  if (value === '') throw new CredentialError(`${reference} is ${text === undefined ? 'not set' : 'empty'}`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break in a header would begin another header
  if (/[\x00-\x1f\x7f]/.test(value)) throw new CredentialError(`${reference} holds control characters`)
  return value
}
