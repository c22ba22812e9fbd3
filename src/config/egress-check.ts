import type { Finding } from './check.ts'
import type { Rules } from './schema.ts'

/** Checks of `egress`, and of the listeners that serve it. */
export function checkEgress({ egress, listeners }: Rules): Finding[] {
  const findings: Finding[] = []
  for (const [name, { serves, tls, transparent, http3 }] of Object.entries(listeners)) {
    const serving = serves.includes('egress')
    if (serving && serves.length > 1)
      findings.push({
        path: ['listeners', name, 'serves'],
        message: 'egress takes everything; give it a listener of its own',
      })
    if (transparent && !serving)
      findings.push({ path: ['listeners', name, 'transparent'], message: 'goes with serves: [egress] only' })
    if (serving && (tls || http3))
      findings.push({
        path: ['listeners', name, tls ? 'tls' : 'http3'],
        message: 'does not go with serves: [egress]: proxies of agents are asked without TLS',
      })
  }
  egress.rules.forEach((rule, index) => {
    const first = egress.rules.findIndex(({ name }) => name === rule.name)
    if (first !== index)
      findings.push({
        path: ['egress', 'rules', index, 'name'],
        message: `egress.rules[${first}] has this name as well`,
      })
    if (rule.action === 'deny' && rule.addresses.length > 0)
      findings.push({ path: ['egress', 'rules', index, 'addresses'], message: 'goes with allow and log only' })
  })
  return findings
}
