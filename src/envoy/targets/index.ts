import { envoyFiles } from './envoy-files.ts'
import { envoyGateway } from './envoy-gateway.ts'
import { envoyStatic } from './envoy-static.ts'
import { istio, istioGateway } from './istio.ts'
import type { TargetName } from './names.ts'
import type { Target } from './target.ts'

/** What the rules can be rendered for, besides an Envoy that asks the service over ADS. */
export const targets: Record<TargetName, Target> = {
  'envoy-static': envoyStatic,
  'envoy-files': envoyFiles,
  istio,
  'istio-gateway': istioGateway,
  'envoy-gateway': envoyGateway,
}
