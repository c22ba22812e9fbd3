/** Names of plain HTTP in Envoy's configuration, each said once. Operators see them in statistics. */

/** The cluster of one of `http.services`. */
export function serviceClusterName(service: string): string {
  return `service/${service}`
}

/** The cluster by which Envoy fetches the keys of one of `identities.issuers`. */
export function jwksClusterName(issuer: string): string {
  return `jwks/${issuer}`
}

/** Stands before the name of every route of `http.routes`. */
export const httpRoutePrefix = 'http/'

/** A name as a part of a statistic's name, where a dot would begin the next part. No two names become one: none has a colon. */
export function statisticsName(name: string): string {
  return name.replaceAll('.', ':')
}
