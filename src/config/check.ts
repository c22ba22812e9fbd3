import type { Path } from './load.ts'
import type { Rules } from './schema.ts'
import { nearest } from './suggest.ts'

/** A finding in rules whose form is right. */
export interface Finding {
  path: Path
  message: string
  suggestion?: string
}

/** Checks what the schema cannot: names that must exist, things that exclude each other. */
export function checkRules(rules: Rules): { errors: Finding[]; warnings: Finding[] } {
  const errors = [...listeners(rules), ...providers(rules), ...models(rules)]
  const used = new Set(Object.values(rules.models).flatMap(({ targets }) => targets.map(({ provider }) => provider)))
  const warnings = Object.keys(rules.providers)
    .filter((name) => !used.has(name))
    .map((name): Finding => ({ path: ['providers', name], message: 'no model uses this provider' }))
  return { errors, warnings }
}

function listeners({ listeners, telemetry }: Rules): Finding[] {
  const findings: Finding[] = []
  const taken = new Map([[`${telemetry.address}:${telemetry.port}`, 'telemetry']])
  for (const [name, { address, port }] of Object.entries(listeners)) {
    const place = `${address}:${port}`
    const other = taken.get(place)
    if (other !== undefined)
      findings.push({ path: ['listeners', name, 'port'], message: `${place} is already taken by ${other}` })
    else taken.set(place, `listeners.${name}`)
  }
  return findings
}

const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const visible = /^[\x21-\x7e]+$/

function providers({ providers }: Rules): Finding[] {
  const findings: Finding[] = []
  for (const [name, rule] of Object.entries(providers)) {
    const add = (field: string, message: string) => findings.push({ path: ['providers', name, field], message })
    if (rule.baseUrl !== undefined) {
      const { username, password, search, hash } = new URL(rule.baseUrl)
      if (username || password || search || hash)
        add('baseUrl', 'must not hold a user name, a password, a query or a fragment')
    }
    switch (rule.type) {
      case 'azure-openai':
        if ((rule.apiKey === undefined) === (rule.bearerToken === undefined))
          add(rule.apiKey === undefined ? 'type' : 'bearerToken', 'needs exactly one of apiKey and bearerToken')
        break
      case 'bedrock': {
        if (!label.test(rule.region)) add('region', 'must be lower-case letters, digits and dashes')
        if ((rule.accessKeyId === undefined) !== (rule.secretAccessKey === undefined))
          add(
            rule.accessKeyId === undefined ? 'secretAccessKey' : 'accessKeyId',
            'needs accessKeyId and secretAccessKey together',
          )
        const ways = [rule.apiKey, rule.accessKeyId, rule.profile].filter((way) => way !== undefined)
        if (ways.length > 1) add('type', 'takes only one of apiKey, accessKeyId and profile')
        break
      }
      case 'vertex':
        if (!label.test(rule.location)) add('location', 'must be lower-case letters, digits and dashes')
        break
      case 'openai':
        for (const field of ['organization', 'project'] as const)
          if (rule[field] !== undefined && !visible.test(rule[field]))
            add(field, 'must be visible ASCII without blanks')
        break
      case 'anthropic':
        if (!visible.test(rule.version)) add('version', 'must be visible ASCII without blanks')
        break
    }
  }
  return findings
}

function models({ models, providers }: Rules): Finding[] {
  const findings: Finding[] = []
  const names = Object.keys(providers)
  for (const [name, { targets }] of Object.entries(models)) {
    const seen = new Set<string>()
    targets.forEach(({ provider, model }, index) => {
      const path: Path = ['models', name, 'targets', index]
      if (!Object.hasOwn(providers, provider)) {
        const suggestion = nearest(provider, names)
        findings.push({
          path: [...path, 'provider'],
          message: `there is no provider ${JSON.stringify(provider)}`,
          ...(suggestion !== undefined && { suggestion }),
        })
      }
      const key = JSON.stringify([provider, model])
      if (seen.has(key)) findings.push({ path, message: 'this provider and model stand here twice' })
      seen.add(key)
    })
  }
  return findings
}
