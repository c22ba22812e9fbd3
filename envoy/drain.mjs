#!/usr/bin/env node
// Lets an Envoy finish: asks it over its admin socket to send agents away, waits until no request is under way, and
// ends. Stopping the Envoy is left to whoever started it. Needs nothing but Node.
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const usage = `usage: drain.mjs [--admin <socket>] [--at-least <seconds>] [--at-most <seconds>]
  --admin     Envoy's admin socket (/run/chaperone/service.sock.envoy-admin)
  --at-least  wait so long even when nothing is under way, for balancers that still send new requests (0)
  --at-most   then end although requests are under way (120)
Exit code: 0 drained, 1 not in time, 2 Envoy could not be asked.
`

/** Asks Envoy's admin interface. */
function admin(socketPath, method, path) {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: 5_000 }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('error', reject)
      response.on('end', () =>
        response.statusCode === 200
          ? resolve(body)
          : reject(new Error(`${path} is answered with ${response.statusCode}`)),
      )
    })
    call.on('error', reject)
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')))
    call.end()
  })
}

/** How many requests of agents are under way. The admin interface counts this very question, which is left out. */
async function active(socket) {
  const body = await admin(socket, 'GET', '/stats?filter=^http\\..*\\.downstream_rq_active$&format=json')
  return JSON.parse(body).stats.reduce(
    (sum, { name, value }) => (name.startsWith('http.admin.') ? sum : sum + value),
    0,
  )
}

function seconds(text, name) {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new Error(`--${name} must be a number of seconds`)
  return value * 1000
}

async function drain({ socket, atLeastMs, atMostMs }) {
  const started = performance.now()
  const passed = () => performance.now() - started
  await admin(socket, 'POST', '/drain_listeners?graceful')
  for (;;) {
    const requests = await active(socket)
    if (requests === 0 && passed() >= atLeastMs) return 0
    if (passed() >= Math.max(atLeastMs, atMostMs)) {
      process.stderr.write(`${requests} requests are still under way\n`)
      return 1
    }
    await sleep(200)
  }
}

let options
try {
  const { values } = parseArgs({
    options: {
      admin: { type: 'string', default: '/run/chaperone/service.sock.envoy-admin' },
      'at-least': { type: 'string', default: '0' },
      'at-most': { type: 'string', default: '120' },
    },
  })
  options = {
    socket: values.admin,
    atLeastMs: seconds(values['at-least'], 'at-least'),
    atMostMs: seconds(values['at-most'], 'at-most'),
  }
} catch (error) {
  process.stderr.write(`${error.message}\n${usage}`)
  process.exit(2)
}
try {
  process.exitCode = await drain(options)
} catch (error) {
  process.stderr.write(`Envoy cannot be asked at ${options.socket}: ${error.message}\n`)
  process.exitCode = 2
}
