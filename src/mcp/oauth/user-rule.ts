/** What the rules say of a server that each user authorizes for themselves. */
export interface UserCredentialRule {
  readonly type: 'user'
  /** The authorization server; undefined: what the server's metadata names. */
  readonly issuer?: string | undefined
  /** Where the gateway is registered already; undefined: its client id metadata document, or dynamic registration. */
  readonly clientId?: string | undefined
  /** A reference to what belongs to clientId. */
  readonly clientSecret?: string | undefined
  /** Empty: what the server's challenge or metadata names. */
  readonly scopes: readonly string[]
  /** Undefined: what the server's metadata names, or its URL. */
  readonly resource?: string | undefined
  /**
   * How it is made sure that who authorizes is who asked, where the browser shows no identity: by a code that the page shows and
   * the user gives to their client, or not at all.
   */
  readonly confirm?: 'code' | 'none' | undefined
}
