import { invalidParams } from '../errors.ts'
import type { LegacyStyle } from './style.ts'

/** States and roles: 1.0, section 4.1.3 and 4.1.5; 0.3, section 6.3. */

const states = {
  submitted: 'TASK_STATE_SUBMITTED',
  working: 'TASK_STATE_WORKING',
  completed: 'TASK_STATE_COMPLETED',
  failed: 'TASK_STATE_FAILED',
  canceled: 'TASK_STATE_CANCELED',
  'input-required': 'TASK_STATE_INPUT_REQUIRED',
  rejected: 'TASK_STATE_REJECTED',
  'auth-required': 'TASK_STATE_AUTH_REQUIRED',
  unknown: 'TASK_STATE_UNSPECIFIED',
} as const

const toModern = new Map<string, string>(Object.entries(states))
const toLegacy = new Map<string, string>(Object.entries(states).map(([legacy, modern]) => [modern, legacy]))
for (const modern of Object.values(states)) toModern.set(modern, modern)
// The 0.3 protos spell it with two Ls.
toModern.set('TASK_STATE_CANCELLED', states.canceled)

/** A state of 0.3, in either spelling, as 1.0 has it. States that 0.3 does not know are unspecified. */
export function modernState(state: unknown): string {
  return toModern.get(String(state)) ?? states.unknown
}

/** A state of 1.0 as 0.3 has it. @param state undefined: unspecified */
export function legacyState(state: unknown, style: LegacyStyle): string {
  if (style === 'kind') return toLegacy.get(String(state)) ?? 'unknown'
  return state === states.canceled ? 'TASK_STATE_CANCELLED' : String(state ?? states.unknown)
}

const terminal: ReadonlySet<unknown> = new Set([states.completed, states.failed, states.canceled, states.rejected])

/** Whether a task in this state of 1.0 will not change any more (1.0, section 4.1.3). */
export function isTerminal(state: unknown): boolean {
  return terminal.has(state)
}

/** A role of 0.3, in either spelling, as 1.0 has it. @throws {A2aError} where it is none */
export function modernRole(role: unknown, path: string): string {
  if (role === 'user' || role === 'ROLE_USER') return 'ROLE_USER'
  if (role === 'agent' || role === 'ROLE_AGENT') return 'ROLE_AGENT'
  throw invalidParams(path, 'must be user or agent')
}

/** A role of 1.0 as 0.3 has it. */
export function legacyRole(role: unknown, style: LegacyStyle): string {
  if (style === 'proto') return String(role)
  return role === 'ROLE_USER' ? 'user' : 'agent'
}
