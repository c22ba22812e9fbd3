import { stringify } from 'yaml'
import { customResourceDefinition } from './crds.ts'
import { kinds, ownGroup } from './kinds.ts'
import { type OwnKind, ownSpecs } from './own-specs.ts'

/** The files of k8s/crds/: `chaperone crds` prints them, and a test holds the two together. */
export function crdFiles(): [name: string, text: string][] {
  return (Object.keys(ownSpecs) as OwnKind[]).map((kind) => [
    `${kinds[kind].plural}.${ownGroup}.yaml`,
    `# Made by: chaperone crds\n${stringify(customResourceDefinition(kind), { lineWidth: 0, aliasDuplicateObjects: false })}`,
  ])
}
