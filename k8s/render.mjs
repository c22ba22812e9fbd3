#!/usr/bin/env node
// Renders the bases here that are made of rules, after a change of these or of what they mean to Envoy.
import { execFileSync } from 'node:child_process'

for (const [target, rules] of [
  ['envoy-static', 'k8s/gateway/chaperone.yaml'],
  ['istio', 'k8s/istio/chaperone.yaml'],
  ['istio-gateway', 'k8s/istio-gateway/chaperone.yaml'],
  ['envoy-gateway', 'k8s/envoy-gateway/chaperone.yaml'],
])
  execFileSync(
    process.execPath,
    [
      ...['bin/chaperone.mjs', 'render', '--target', target, '--file', rules],
      ...['--socket', '/run/chaperone/service.sock', '--output', `k8s/${target}`],
    ],
    { stdio: 'inherit' },
  )
