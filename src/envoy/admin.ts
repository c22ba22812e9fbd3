import { request } from 'node:http'

/** Envoy's statistics as Prometheus reads them, without those that never counted anything. */
export const statisticsPath = '/stats/prometheus?usedonly'

/** Longest answer that is taken, characters; a thousand clusters make less than half of it. */
const longest = 64 * 1024 * 1024

/** Where an admin interface is. */
function placeOf(address: string): { socketPath: string } | { host: string; port: string } {
  if (!address.startsWith('http://')) return { socketPath: address }
  const { hostname, port } = new URL(address)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port || '80' }
}

/**
 * Asks the admin interface of an Envoy that somebody else runs.
 * @param address path of its unix socket, or `http://HOST:PORT`
 * @returns the body
 * @throws {Error} where it does not answer with 200 in 5 s
 */
export function askAdmin(address: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const place = placeOf(address)
    // A connection that is kept would go on asking the Envoy before, after a hot restart.
    const call = request({ ...place, path, agent: false, signal: AbortSignal.timeout(5_000) }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
        if (body.length > longest) call.destroy(new Error('Envoy’s admin interface says too much'))
      })
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`Envoy’s admin interface answered ${response.statusCode}`))
      })
      response.on('error', reject)
    })
    call.on('error', reject)
    call.end()
  })
}
