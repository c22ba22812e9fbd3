import { z } from 'zod'

/**
 * The specs of the Gateway API's objects (v1), as far as they are read, with the defaults of its CRDs: objects of files have seen no
 * API server that would have filled them in and checked them. Unknown fields are left alone.
 */

const text = z.string().min(1).max(2048)
const objectName = z.string().min(1).max(253)
const port = z.int().min(1).max(65535)
const hostname = z
  .string()
  .min(1)
  .max(253)
  .regex(/^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/, 'must be a host name')

/** GEP-2257: `1h30m`, `500ms`. */
const duration = z
  .string()
  .regex(/^(?:\d{1,5}(?:h|m|s|ms)){1,4}$/, 'must be a duration such as 10s')
  .transform(durationOf)

/** Milliseconds of a duration of GEP-2257. */
function durationOf(duration: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  let sum = 0
  for (const [, count, unit] of duration.matchAll(/(\d+)(ms|h|m|s)/g)) sum += Number(count) * units[unit!]!
  return sum
}

const secretRef = z.object({
  group: z.string().default(''),
  kind: z.string().default('Secret'),
  name: objectName,
  namespace: objectName.optional(),
})
const objectRef = z.object({ group: z.string(), kind: text, name: objectName, namespace: objectName.optional() })
const labelSelector = z.object({
  matchLabels: z.record(z.string(), z.string()).default({}),
  matchExpressions: z
    .array(z.object({ key: text, operator: text, values: z.array(z.string()).default([]) }))
    .default([]),
})

export const parentRef = z.object({
  group: z.string().default('gateway.networking.k8s.io'),
  kind: z.string().default('Gateway'),
  namespace: objectName.optional(),
  name: objectName,
  sectionName: objectName.optional(),
  port: port.optional(),
})

const frontendValidation = z.object({
  validation: z
    .object({ caCertificateRefs: z.array(objectRef).min(1).max(16), mode: z.string().default('AllowValidOnly') })
    .optional(),
})

const listener = z.object({
  name: objectName,
  hostname: hostname.optional(),
  port,
  protocol: text,
  tls: z
    .object({
      mode: z.string().default('Terminate'),
      certificateRefs: z.array(secretRef).max(64).default([]),
    })
    .optional(),
  allowedRoutes: z
    .object({
      namespaces: z
        .object({
          from: z.enum(['All', 'Same', 'Selector', 'None']).default('Same'),
          selector: labelSelector.optional(),
        })
        .prefault({}),
      kinds: z
        .array(z.object({ group: z.string().default('gateway.networking.k8s.io'), kind: text }))
        .max(8)
        .optional(),
    })
    .prefault({}),
})

export const gatewayClassSpec = z.object({
  controllerName: text,
  parametersRef: z.object({ group: z.string(), kind: text, name: objectName }).optional(),
})

export const gatewaySpec = z.object({
  gatewayClassName: objectName,
  listeners: z
    .array(listener)
    .min(1)
    .max(64)
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'must have names of their own'),
  addresses: z
    .array(z.object({ type: z.string().default('IPAddress'), value: z.string().optional() }))
    .max(16)
    .default([]),
  infrastructure: z
    .object({ parametersRef: z.object({ group: z.string(), kind: text, name: objectName }).optional() })
    .optional(),
  tls: z
    .object({
      backend: z.object({ clientCertificateRef: secretRef.optional() }).optional(),
      frontend: z
        .object({
          default: frontendValidation,
          perPort: z.array(z.object({ port, tls: frontendValidation })).default([]),
        })
        .optional(),
    })
    .optional(),
})

const backendObject = {
  group: z.string().default(''),
  kind: z.string().default('Service'),
  name: objectName,
  namespace: objectName.optional(),
  port: port.optional(),
}
export const backendObjectRef = z.object(backendObject)

const header = z.object({ name: text, value: z.string().max(4096) })
const headerFilter = z.object({
  set: z.array(header).max(16).default([]),
  add: z.array(header).max(16).default([]),
  remove: z.array(text).max(16).default([]),
})
const pathModifier = z.object({
  type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
  replaceFullPath: z.string().max(1024).optional(),
  replacePrefixMatch: z.string().max(1024).optional(),
})

export const filter = z.object({
  type: text,
  requestHeaderModifier: headerFilter.optional(),
  responseHeaderModifier: headerFilter.optional(),
  requestMirror: z
    .object({
      backendRef: backendObjectRef,
      percent: z.int().min(0).max(100).optional(),
      fraction: z.object({ numerator: z.int().min(0), denominator: z.int().min(1).default(100) }).optional(),
    })
    .optional(),
  requestRedirect: z
    .object({
      scheme: z.enum(['http', 'https']).optional(),
      hostname: hostname.optional(),
      path: pathModifier.optional(),
      port: port.optional(),
      statusCode: z
        .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
        .default(302),
    })
    .optional(),
  urlRewrite: z.object({ hostname: hostname.optional(), path: pathModifier.optional() }).optional(),
  cors: z
    .object({
      allowOrigins: z.array(text).max(64).default([]),
      allowCredentials: z.boolean().default(false),
      allowMethods: z.array(text).max(9).default([]),
      allowHeaders: z.array(text).max(64).default([]),
      exposeHeaders: z.array(text).max(64).default([]),
      maxAge: z.int().min(1).default(5),
    })
    .optional(),
})

const backendRef = z.object({
  ...backendObject,
  weight: z.int().min(0).max(1_000_000).default(1),
  filters: z.array(filter).max(16).default([]),
})

const valueMatch = z.object({ type: z.enum(['Exact', 'RegularExpression']).default('Exact'), name: text, value: text })

const httpMatch = z.object({
  path: z
    .object({
      type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
      value: z.string().max(1024).default('/'),
    })
    .prefault({}),
  headers: z.array(valueMatch).max(16).default([]),
  queryParams: z.array(valueMatch).max(16).default([]),
  method: text.optional(),
})

const common = {
  parentRefs: z.array(parentRef).max(32).default([]),
  hostnames: z.array(hostname).max(16).default([]),
}
const sessionPersistence = z.object({
  sessionName: text.optional(),
  type: z.enum(['Cookie', 'Header']).default('Cookie'),
  absoluteTimeout: duration.optional(),
  cookieConfig: z.object({ lifetimeType: z.enum(['Session', 'Permanent']).default('Session') }).prefault({}),
})

export const httpRouteSpec = z.object({
  ...common,
  rules: z
    .array(
      z.object({
        name: objectName.optional(),
        matches: z.array(httpMatch).max(64).prefault([{}]),
        filters: z.array(filter).max(16).default([]),
        backendRefs: z.array(backendRef).max(16).default([]),
        timeouts: z.object({ request: duration.optional(), backendRequest: duration.optional() }).prefault({}),
        retry: z
          .object({
            codes: z.array(z.int().min(400).max(599)).default([]),
            attempts: z.int().min(1).optional(),
            backoff: duration.optional(),
          })
          .optional(),
        sessionPersistence: sessionPersistence.optional(),
      }),
    )
    .max(16)
    .prefault([{}]),
})

const grpcMatch = z.object({
  method: z
    .object({
      type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
      service: text.optional(),
      method: text.optional(),
    })
    .optional(),
  headers: z.array(valueMatch).max(16).default([]),
})

export const grpcRouteSpec = z.object({
  ...common,
  rules: z
    .array(
      z.object({
        name: objectName.optional(),
        matches: z.array(grpcMatch).max(64).prefault([{}]),
        filters: z.array(filter).max(16).default([]),
        backendRefs: z.array(backendRef).max(16).default([]),
        sessionPersistence: sessionPersistence.optional(),
      }),
    )
    .max(16)
    .prefault([{}]),
})

export const referenceGrantSpec = z.object({
  from: z.array(z.object({ group: z.string(), kind: text, namespace: objectName })),
  to: z.array(z.object({ group: z.string(), kind: text, name: z.string().optional() })),
})

export const backendTlsPolicySpec = z.object({
  targetRefs: z
    .array(z.object({ group: z.string(), kind: text, name: objectName, sectionName: objectName.optional() }))
    .min(1)
    .max(16),
  validation: z
    .object({
      caCertificateRefs: z
        .array(z.object({ group: z.string(), kind: text, name: objectName }))
        .max(8)
        .default([]),
      wellKnownCACertificates: z.string().optional(),
      hostname: z.string().min(1).max(253),
      subjectAltNames: z
        .array(
          z.object({ type: z.enum(['Hostname', 'URI']), hostname: z.string().optional(), uri: z.string().optional() }),
        )
        .max(5)
        .default([]),
    })
    .refine(
      ({ caCertificateRefs, wellKnownCACertificates }) =>
        caCertificateRefs.length > 0 !== (wellKnownCACertificates !== undefined && wellKnownCACertificates !== ''),
      'needs either caCertificateRefs or wellKnownCACertificates',
    ),
})

/** What policies of our own are attached to (GEP-713). */
export const targetRef = z.object({
  group: z.string(),
  kind: text,
  name: objectName,
  sectionName: objectName.optional(),
})

export const serviceSpec = z.object({
  type: z.string().default('ClusterIP'),
  clusterIP: z.string().optional(),
  ports: z
    .array(
      z.object({
        name: z.string().default(''),
        port,
        targetPort: z.union([z.int(), z.string()]).optional(),
        appProtocol: z.string().optional(),
        protocol: z.string().default('TCP'),
      }),
    )
    .default([]),
})

export const endpointSlice = z.object({
  addressType: z.string().default('IPv4'),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(text).min(1),
        conditions: z.object({ ready: z.boolean().nullish(), serving: z.boolean().nullish() }).nullish(),
      }),
    )
    .nullish(),
  ports: z.array(z.object({ name: z.string().nullish(), port: z.int().nullish() })).nullish(),
})

export type ListenerSpec = z.output<typeof listener>
export type GatewaySpec = z.output<typeof gatewaySpec>
export type ParentRef = z.output<typeof parentRef>
export type HttpRouteSpec = z.output<typeof httpRouteSpec>
export type GrpcRouteSpec = z.output<typeof grpcRouteSpec>
export type HttpRule = HttpRouteSpec['rules'][number]
export type GrpcRule = GrpcRouteSpec['rules'][number]
export type HttpMatch = z.output<typeof httpMatch>
export type Filter = z.output<typeof filter>
export type BackendRef = z.output<typeof backendRef>
export type BackendObjectRef = z.output<typeof backendObjectRef>
export type TargetRef = z.output<typeof targetRef>
export type BackendTlsPolicySpec = z.output<typeof backendTlsPolicySpec>
export type LabelSelector = z.output<typeof labelSelector>
export type SecretRef = z.output<typeof secretRef>

/** What is wrong with something of an object, in one line: `spec.listeners[0].port: must be …`. */
export function wrongWith(error: z.ZodError, at = 'spec'): string {
  const [first] = error.issues
  const path = first!.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')
  return `${at}${path}: ${first!.message}`
}
