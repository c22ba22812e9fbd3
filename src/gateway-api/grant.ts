import { type Inventory, namespaceOf } from './object.ts'
import { referenceGrantSpec } from './spec.ts'

/** A reference, and what it refers to. */
export interface Reference {
  readonly from: { readonly group: string; readonly kind: string; readonly namespace: string }
  readonly to: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string }
}

/** Whether a reference into another namespace is permitted there (ReferenceGrant). Within a namespace all are. */
export type Permits = (reference: Reference) => boolean

export function permitsOf(inventory: Inventory): Permits {
  const grants = inventory.list('ReferenceGrant').flatMap((object) => {
    const parsed = referenceGrantSpec.safeParse(object.spec)
    // A grant that cannot be read grants nothing.
    return parsed.success ? [{ namespace: namespaceOf(object), ...parsed.data }] : []
  })
  return ({ from, to }) => {
    if (from.namespace === to.namespace) return true
    return grants.some(
      (grant) =>
        grant.namespace === to.namespace &&
        grant.from.some(
          (each) => each.group === from.group && each.kind === from.kind && each.namespace === from.namespace,
        ) &&
        grant.to.some(
          ({ group, kind, name }) =>
            group === to.group && kind === to.kind && (name === undefined || name === '' || name === to.name),
        ),
    )
  }
}
