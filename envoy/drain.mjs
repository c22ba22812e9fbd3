#!/usr/bin/env node
// Lets an Envoy finish: asks it over its admin socket to send agents away, and waits until no request is under way.
// Needs nothing but Node.
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const usage = `usage: drain.mjs [--admin <socket>] [--at-least <seconds>] [--at-most <seconds>] [--quit]
  --admin     Envoy's admin socket (/run/chaperone/service.sock.envoy-admin)
  --at-least  wait so long even when nothing is under way, for balancers that still send new requests (0)
  --at-most   then end although requests are under way (120)
  --quit      end Envoy at last; without it, that is left to whoever started it
Exit code: 0 drained, 1 not in time, 2 Envoy could not be asked.
`

/** Asks Envoy's admin interface. */
function admin(socketPath, method, path) {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, agent: false, timeout: 5_000 }, (response) => {
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

/** @returns how many requests are still under way when the time is over */
async function drain({ socket, atLeastMs, atMostMs, quit }) {
  const started = performance.now()
  const passed = () => performance.now() - started
  await admin(socket, 'POST', '/drain_listeners?graceful')
  let requests = await active(socket)
  while (passed() < atLeastMs || (requests > 0 && passed() < atMostMs)) {
    await sleep(200)
    requests = await active(socket)
  }
  if (quit) await admin(socket, 'POST', '/quitquitquit')
  return requests
}

let options
try {
  const { values } = parseArgs({
    options: {
      admin: { type: 'string', default: '/run/chaperone/service.sock.envoy-admin' },
      'at-least': { type: 'string', default: '0' },
      'at-most': { type: 'string', default: '120' },
      quit: { type: 'boolean', default: false },
    },
  })
  options = {
    socket: values.admin,
    atLeastMs: seconds(values['at-least'], 'at-least'),
    atMostMs: seconds(values['at-most'], 'at-most'),
    quit: values.quit,
  }
} catch (error) {
  process.stderr.write(`${error.message}\n${usage}`)
  process.exit(2)
}
try {
  const requests = await drain(options)
  if (requests > 0) {
    process.stderr.write(`${requests} requests are still under way\n`)
    process.exitCode = 1
  }
} catch (error) {
  process.stderr.write(`Envoy cannot be asked at ${options.socket}: ${error.message}\n`)
  process.exitCode = 2
}
