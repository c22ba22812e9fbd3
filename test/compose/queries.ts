import { readFileSync } from 'node:fs'

/** The queries of the dashboard, and what of metrics a query asks for. */

interface Panel {
  title: string
  targets?: { expr: string; legendFormat: string }[]
}

/** Every query of the dashboard with its panel's title and how its series are labelled. */
export function dashboardQueries(): { title: string; expr: string; legend: string }[] {
  const { panels } = JSON.parse(readFileSync('compose/grafana/dashboards/chaperone.json', 'utf8')) as {
    panels: Panel[]
  }
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legend: legendFormat })),
  )
}

/** Words of PromQL that are no metrics. */
const words = new Set(['by', 'sum', 'rate', 'increase', 'histogram_quantile', 'clamp_min', 'le'])

/**
 * The metrics that a query of PromQL names, each with the labels that it must have: those in braces, and those of `by`.
 * Enough of PromQL for our own queries; anything else throws.
 */
export function metricsOf(expr: string): { name: string; labels: string[] }[] {
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(/,\s*/))
  const plain = expr.replaceAll(/\bby \([^)]*\)/g, '').replaceAll(/\[[^\]]*\]/g, '')
  const found = [...plain.matchAll(/\b([a-z_][a-z0-9_]*)(?:\{([^}]*)\})?/g)].flatMap(([, name, selector]) => {
    if (words.has(name!)) return []
    const labels = [...(selector ?? '').matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!)
    return [{ name: name!, labels: [...new Set([...labels, ...grouped])] }]
  })
  if (found.length === 0) throw new Error(`no metric in ${expr}`)
  return found
}
