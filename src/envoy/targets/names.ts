/** The targets, apart from what makes them: the command line names them before it loads anything. */
export const targetNames = ['envoy-static', 'envoy-files', 'istio', 'istio-gateway', 'envoy-gateway'] as const
export type TargetName = (typeof targetNames)[number]
