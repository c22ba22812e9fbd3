import { isIP } from 'node:net'
import type { JwtRule } from '../../../../config/http/access.ts'
import type { IssuerRule } from '../../../../config/identities.ts'
import { durationMs } from '../../../../config/primitives.ts'
import type { EnvoyJson } from '../../filters.ts'
import { validationSecretName } from '../../secret.ts'
import type { FilterMaker } from '../filter.ts'
import { jwksClusterName } from '../names.ts'
import { digest, typed } from '../values.ts'

const authentication = 'envoy.extensions.filters.http.jwt_authn.v3'
const requirement = 'token'
const rbac = 'envoy.extensions.filters.http.rbac.v3.RBAC'

/** Verifies JWTs of `identities.issuers`. Routes that ask for the same share a filter, and with it the keys. */
export const jwtFilter: FilterMaker = ({ jwt }, { rules }) => {
  if (!jwt) return []
  const providers = Object.fromEntries(
    jwt.issuers.map((name) => [name, provider(name, rules.identities.issuers[name]!, jwt)]),
  )
  const ways: EnvoyJson[] = [
    ...jwt.issuers.map((provider_name) => ({ provider_name })),
    ...(jwt.optional ? [{ allow_missing: {} }] : []),
  ]
  const config = typed(`${authentication}.JwtAuthentication`, {
    providers,
    requirement_map: { [requirement]: ways.length === 1 ? ways[0] : { requires_any: { requirements: ways } } },
  })
  return [
    {
      place: 'jwt',
      name: `jwt/${digest(config)}`,
      config,
      onRoute: typed(`${authentication}.PerRouteConfig`, { requirement_name: requirement }),
    },
  ]
}

/** Under this key the header of a token of an issuer is in the filter's metadata. */
const headerKey = (issuer: string) => `header/${issuer}`

/**
 * Looks at the signature algorithms that the issuers' rules accept. The filter that verifies tokens goes by the key's own type
 * alone, which lets an RSA key sign in ways that the rules leave out. What it does not say is refused.
 */
export const jwtAlgorithmsFilter: FilterMaker = ({ jwt }, { rules }) => {
  if (!jwt) return []
  const algorithm = (issuer: string, value: EnvoyJson) => ({
    metadata: {
      filter: 'envoy.filters.http.jwt_authn',
      path: [{ key: headerKey(issuer) }, { key: 'alg' }],
      value,
    },
  })
  const accepted = jwt.issuers.flatMap((issuer) =>
    rules.identities.issuers[issuer]!.algorithms.map((name) => algorithm(issuer, { string_match: { exact: name } })),
  )
  const said = jwt.issuers.map((issuer) => algorithm(issuer, { present_match: true }))
  const principals = [...accepted, ...(jwt.optional ? [{ not_id: { or_ids: { ids: said } } }] : [])]
  return [
    {
      place: 'jwt-algorithms',
      name: 'jwt-algorithms',
      config: typed(rbac),
      onRoute: typed(`${rbac}PerRoute`, {
        rbac: { rules: { action: 'ALLOW', policies: { algorithms: { permissions: [{ any: true }], principals } } } },
      }),
    },
  ]
}

function provider(name: string, issuer: IssuerRule, jwt: JwtRule): EnvoyJson {
  const { header, cookie, query, forward, claims } = jwt
  const headers = Object.entries(claims)
  return {
    issuer: issuer.issuer,
    audiences: issuer.audiences,
    clock_skew_seconds: Math.round(durationMs(issuer.clockSkew) / 1000),
    require_expiration: true,
    header_in_metadata: headerKey(name),
    forward,
    ...(header && { from_headers: [{ name: header.name, value_prefix: header.prefix }] }),
    ...(cookie !== undefined && { from_cookies: [cookie] }),
    ...(query !== undefined && { from_params: [query] }),
    ...(headers.length > 0 && {
      claim_to_headers: headers.map(([header_name, claim_name]) => ({ header_name, claim_name })),
    }),
    ...(issuer.jwksUri === undefined
      ? { local_jwks: { filename: issuer.jwksFile } }
      : {
          remote_jwks: {
            http_uri: { uri: issuer.jwksUri, cluster: jwksClusterName(name), timeout: '5s' },
            cache_duration: '300s',
            // Fetched before the listener changes, so that no request waits for it.
            async_fetch: { failed_refetch_duration: '1s' },
            retry_policy: { num_retries: 2 },
          },
        }),
  }
}

/** The cluster that Envoy fetches an issuer's keys from. */
export function jwksCluster(name: string, jwksUri: string): EnvoyJson {
  const { protocol, hostname, port } = new URL(jwksUri)
  const host = hostname.replace(/^\[|\]$/g, '')
  const secure = protocol === 'https:'
  const cluster_name = jwksClusterName(name)
  const port_value = port === '' ? (secure ? 443 : 80) : Number(port)
  return {
    name: cluster_name,
    type: isIP(host) === 0 ? 'STRICT_DNS' : 'STATIC',
    dns_lookup_family: 'V4_PREFERRED',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: host, port_value } } } }] }],
    },
    ...(secure && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
          sni: host,
          auto_sni_san_validation: true,
          common_tls_context: {
            tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
            validation_context_sds_secret_config: {
              name: validationSecretName(undefined),
              sds_config: { ads: {}, resource_api_version: 'V3' },
            },
          },
        }),
      },
    }),
  }
}
