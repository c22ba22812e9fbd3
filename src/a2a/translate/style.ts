import type { Wire } from '../operations.ts'

/**
 * How 0.3 spells its objects. JSON-RPC has the JSON schema's: a `kind` tells objects apart, states are `input-required`.
 * HTTP+JSON has, in the reference implementations, protobuf's JSON of the 0.3 protos, as gRPC has it in binary:
 * `content` instead of `parts`, states are `TASK_STATE_INPUT_REQUIRED`. What comes in is read in either spelling.
 */
export type LegacyStyle = 'kind' | 'proto'

/** The spelling that is written to a wire of 0.3. */
export function legacyStyle({ binding }: Wire): LegacyStyle {
  return binding === 'jsonrpc' ? 'kind' : 'proto'
}
