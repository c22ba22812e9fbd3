import type { TeamsRule } from '../config/identities.ts'
import type { Identity, IdentityKind } from './identity.ts'

/** Whose identity it is, and what that alone would allow; undefined lists allow everything. */
export interface Owner {
  readonly user?: string | undefined
  readonly team?: string | undefined
  readonly organization?: string | undefined
  readonly models?: readonly string[] | undefined
  readonly servers?: readonly string[] | undefined
}

const noClaims: Readonly<Record<string, unknown>> = Object.freeze({})

/**
 * Makes an identity of what was proved. Its team adds its organization, where the owner names none, and bounds what it
 * may use. A team that the rules do not list adds and bounds nothing.
 */
export function makeIdentity(
  kind: IdentityKind,
  subject: string,
  owner: Owner,
  teams: TeamsRule,
  more: { readonly key?: string; readonly claims?: Readonly<Record<string, unknown>> } = {},
): Identity {
  const team = owner.team !== undefined && Object.hasOwn(teams, owner.team) ? teams[owner.team] : undefined
  return Object.freeze({
    kind,
    subject,
    user: owner.user,
    team: owner.team,
    organization: owner.organization ?? team?.organization,
    key: more.key,
    claims: more.claims ?? noClaims,
    mayUseModel: both(modelTest(owner.models), modelTest(team?.models)),
    mayUseServer: both(nameTest(owner.servers), nameTest(team?.servers)),
  })
}

type Test = (name: string) => boolean

/** Both must allow it; undefined allows all. */
function both(a: Test | undefined, b: Test | undefined): Test {
  if (a && b) return (name) => a(name) && b(name)
  return a ?? b ?? (() => true)
}

function nameTest(names: readonly string[] | undefined): Test | undefined {
  if (!names) return undefined
  const set = new Set(names)
  return (name) => set.has(name)
}

function modelTest(patterns: readonly string[] | undefined): Test | undefined {
  if (!patterns) return undefined
  const names = new Set(patterns.filter((pattern) => !pattern.endsWith('*')))
  const prefixes = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1))
  return (model) => names.has(model) || prefixes.some((prefix) => model.startsWith(prefix))
}
