import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Diagnostic, RuleFile } from '../config/diagnostic.ts'
import { readRuleFiles } from '../store/files.ts'
import { RulesError } from './rules.ts'
import { schema } from './schema.ts'

/** Beside the files while they are edited, so that the editor can complete them. */
const schemaFile = '.chaperone.schema.json'
const schemaLine = `# yaml-language-server: $schema=${schemaFile}\n`
/** What is wrong stands on top of a file, on lines that begin so. */
const note = '# ✗ '

/** Files in an editor of the user's. Nothing that was written there is lost: what cannot be used stays where it is. */
export class Editing {
  readonly directory = mkdtempSync(join(tmpdir(), 'chaperone-edit-'))
  readonly #command: string
  readonly #arguments: readonly string[]
  /** Whether a file brought a line of its own that names a schema. */
  readonly #hadLine: ReadonlyMap<string, boolean>
  #files: RuleFile[]

  /** @param editor the command, with arguments */
  constructor(files: readonly RuleFile[], editor: string) {
    const [command = 'vi', ...args] = editor.split(' ').filter((part) => part !== '')
    this.#command = command
    this.#arguments = args
    this.#files = files.map(({ name, text }) => ({ name: basename(name), text }))
    this.#hadLine = new Map(this.#files.map(({ name, text }) => [name, text.startsWith('# yaml-language-server')]))
    writeFileSync(join(this.directory, schemaFile), schema())
    this.#write([])
  }

  /**
   * Opens the editor and waits for its end.
   * @returns the files as they are then; undefined: nothing was changed since they were last opened
   * @throws {RulesError} where the editor fails
   */
  open(): RuleFile[] | undefined {
    const paths = this.#files.map(({ name }) => join(this.directory, name))
    const { status, error } = spawnSync(this.#command, [...this.#arguments, ...paths], { stdio: 'inherit' })
    const now = readRuleFiles(this.directory).map(({ name, text }) => ({ name, text: this.#without(name, text) }))
    const changed = JSON.stringify(now) !== JSON.stringify(this.#files)
    this.#files = now
    if (!error && status === 0) return changed ? now : undefined
    if (!changed) this.end()
    throw new RulesError(`The editor ${this.#command} failed; nothing was published.${changed ? ` ${this.kept}` : ''}`)
  }

  /** Where the edit can be found, for a message. */
  get kept(): string {
    return `Your edit is in ${this.directory}: publish it with chaperone rules apply -f ${this.directory}.`
  }

  /** Puts what is wrong on top of each file, by the lines as the editor shows them. */
  annotate(diagnostics: readonly Diagnostic[]): void {
    this.#write(diagnostics)
  }

  /** Takes what the editor does not need any more off the files: they stay as they would be published. */
  leave(): void {
    for (const { name, text } of this.#files) writeFileSync(join(this.directory, name), text)
  }

  /** Takes the files away. */
  end(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #write(diagnostics: readonly Diagnostic[]): void {
    for (const { name, text } of this.#files) {
      const mine = diagnostics.filter(({ file }) => file === name)
      const added = mine.length + (this.#hadLine.get(name) ? 0 : 1)
      const notes = mine.map(
        ({ line, column, path, message, suggestion }) =>
          `${note}${line + added}:${column} ${path === '' ? '' : `${path}: `}${message}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}\n`,
      )
      // A schema's line counts on top only.
      const line = this.#hadLine.get(name) ? '' : schemaLine
      writeFileSync(join(this.directory, name), `${line}${notes.map(oneLine).join('')}${text}`, { mode: 0o600 })
    }
  }

  /** What was put on top is not part of what is published. */
  #without(name: string, text: string): string {
    let rest = !this.#hadLine.get(name) && text.startsWith(schemaLine) ? text.slice(schemaLine.length) : text
    while (rest.startsWith(note)) rest = rest.slice(rest.indexOf('\n') + 1 || rest.length)
    return rest
  }
}

const oneLine = (text: string) => `${text.trimEnd().replaceAll(/\s*\n\s*/g, ' ')}\n`
