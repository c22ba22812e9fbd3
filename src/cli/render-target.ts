import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { targets } from '../envoy/targets/index.ts'
import type { TargetName } from '../envoy/targets/names.ts'
import type { TargetFile, TargetInput } from '../envoy/targets/target.ts'
import { RulesError } from './rules.ts'

export interface TargetOptions {
  target: TargetName
  /** A directory to write the files into; absent: they are printed. */
  output?: string | undefined
  failover?: TargetInput['failover']
  caFile?: string | undefined
  directory?: string | undefined
  namespace?: string | undefined
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/**
 * Renders rules for an Envoy that belongs to somebody else.
 * @param rulesFile where the rules are from; targets in Kubernetes need it as a ConfigMap
 * @param write where the files go when they are not written into a directory
 * @throws {RangeError} where the rules ask for what the target cannot give
 */
export function renderTarget(
  options: TargetOptions,
  parts: Pick<TargetInput, 'rules' | 'config' | 'socket'> & { rulesFile: string | undefined },
  write: (text: string) => void,
): void {
  const { target, output, failover } = options
  const files = targets[target]({
    ...parts,
    failover,
    version,
    systemCaFile: options.caFile ?? '/etc/ssl/certs/ca-certificates.crt',
    directory: options.directory ?? '/etc/chaperone-envoy',
    namespace: options.namespace ?? 'envoy-gateway-system',
  })
  if (output === undefined) {
    write(files.map((file) => `# ${file.name}\n${textOf(file, target)}`).join('---\n'))
    return
  }
  mkdirSync(output, { recursive: true })
  for (const file of files) writeFileSync(join(output, file.name), textOf(file, target))
  if (files.some(({ name }) => name === 'kustomization.yaml'))
    copyRules(parts.rulesFile, join(output, 'chaperone.yaml'))
}

/** The kustomization makes a ConfigMap of the rules beside it. */
function copyRules(from: string | undefined, to: string): void {
  if (from === undefined)
    throw new RulesError('The service in the cluster needs its rules as a file: name one with --file.')
  if (resolve(from) !== resolve(to)) copyFileSync(from, to)
}

function textOf({ comment, documents }: TargetFile, target: TargetName): string {
  const lines = [
    ...comment.split('\n'),
    `Made by \`chaperone render --target ${target}\` from the rules: change those, and render again.`,
  ]
  const head = lines.map((line) => `# ${line}\n`).join('')
  // kustomize and Kubernetes read YAML 1.1, where `on` and `off` are no strings.
  const texts = documents.map((each) => stringify(each, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false }))
  return head + texts.join('---\n')
}
