/** Arguments do not fit; the message is for the model. */
export class ArgumentsError extends Error {
  override readonly name = 'ArgumentsError'
}
