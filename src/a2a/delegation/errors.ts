/** Why a delegation is not let through. */
export type DelegationRefusal =
  | 'malformed_token'
  | 'unknown_key'
  | 'bad_signature'
  | 'unknown_issuer'
  | 'expired_token'
  | 'token_not_yet_valid'
  | 'wrong_audience'
  | 'delegation_loop'
  | 'delegation_too_deep'

/** The message is for the caller: what is wrong and what to do. It has nothing of the token but names of agents. */
export class DelegationError extends Error {
  override readonly name = 'DelegationError'
  readonly reason: DelegationRefusal

  constructor(reason: DelegationRefusal, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.reason = reason
  }
}
