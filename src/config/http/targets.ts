import type { HttpRouteRule } from '../http.ts'

/** Where a route's requests, or connections, go; nowhere where it redirects or answers by itself. */
export function targetsOf({
  service,
  services,
}: Pick<HttpRouteRule, 'service' | 'services'>): readonly { service: string; weight: number }[] {
  return services ?? (service === undefined ? [] : [{ service, weight: 1 }])
}
