import { request } from 'node:http'

/** Envoy's statistics as Prometheus reads them, without those that never counted anything. */
export const statisticsPath = '/stats/prometheus?usedonly'

/** Longest answer that is taken, characters; a thousand clusters make less than half of it. */
const longest = 64 * 1024 * 1024

/**
 * Asks the admin interface of an Envoy that somebody else runs.
 * @param socketPath its unix socket
 * @returns the body
 * @throws {Error} where it does not answer with 200 in 5 s
 */
export function askAdmin(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A connection that is kept would go on asking the Envoy before, after a hot restart.
    const call = request({ socketPath, path, agent: false, signal: AbortSignal.timeout(5_000) }, (response) => {
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
