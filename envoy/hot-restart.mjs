#!/usr/bin/env node
// Keeps an Envoy running across its own upgrades. On SIGHUP the next Envoy is started (another binary at the same path, other
// arguments of the bootstrap): it takes the listening sockets over from the one before, which answers what it has, closes its
// connections with their next answer, and ends. Needs nothing but Node.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const usage = `usage: hot-restart.mjs [--parent-shutdown-s <seconds>] -- <envoy> [arguments]
  --parent-shutdown-s  streams of the Envoy before may go on for so long (900)
Signals: HUP starts the next Envoy, TERM and INT end all of them, USR1 has them open their logs anew.
Exit code: the newest Envoy's, or 2 where the arguments are wrong.
`

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

/** @returns what is said to this script, and the command that it keeps running */
function parse(argv) {
  const end = argv.indexOf('--')
  const [own, command] = end < 0 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)]
  if (command.length === 0) fail(usage)
  let seconds = 900
  for (let i = 0; i < own.length; i += 2) {
    seconds = Number(own[i + 1])
    if (own[i] !== '--parent-shutdown-s' || !Number.isInteger(seconds) || seconds < 1) fail(usage)
  }
  const given = command.find((argument) =>
    /^--(?:restart-epoch|base-id|use-dynamic-base-id|parent-shutdown-time-s)/.test(argument),
  )
  if (given !== undefined) fail(`${given} is this script's to say`)
  return { seconds, command }
}

const { seconds, command } = parse(process.argv.slice(2))
const [binary, ...given] = command
const directory = mkdtempSync(join(tmpdir(), 'envoy-hot-restart-'))
const baseIdFile = join(directory, 'base-id')
/** Envoys that run, by epoch. */
const running = new Map()
let newest = -1
let stopping = false
/** Whether another one is to start as soon as that is possible. */
let wanted = false

const say = (message) => void process.stderr.write(`hot-restart: ${message}\n`)

function start() {
  const epoch = newest + 1
  const base =
    epoch === 0
      ? ['--use-dynamic-base-id', '--base-id-path', baseIdFile]
      : ['--base-id', readFileSync(baseIdFile, 'utf8').trim()]
  const own = [...base, '--restart-epoch', String(epoch), '--parent-shutdown-time-s', String(seconds)]
  const child = spawn(binary, [...given, ...own], { stdio: 'inherit' })
  newest = epoch
  running.set(epoch, child)
  child.on('error', (error) => ended(epoch, error.message, 1))
  child.on('exit', (code, signal) => ended(epoch, signal ?? `exit code ${code}`, code ?? 1))
}

function ended(epoch, reason, code) {
  if (!running.delete(epoch)) return
  if (epoch === newest && !stopping) {
    // The one before may have given its listeners away already: whoever watches this script is to start anew.
    say(`Envoy (epoch ${epoch}) ended by itself: ${reason}`)
    stop('SIGTERM')
  }
  if (epoch === newest) process.exitCode = code
  else if (wanted && !stopping && running.size === 1) next()
  if (running.size === 0) rmSync(directory, { recursive: true, force: true })
}

/** An Envoy that cannot start would leave the one before unable to be followed by another. */
function mayStart() {
  const { status, stderr } = spawnSync(binary, [...given, '--mode', 'validate', '--use-dynamic-base-id'], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (status === 0) return true
  say(`the next Envoy is not started, its configuration is not valid:\n${stderr ?? ''}`)
  return false
}

function next() {
  wanted = false
  if (!mayStart()) return
  start()
  say(`Envoy (epoch ${newest}) takes over`)
}

function stop(signal) {
  stopping = true
  for (const child of running.values()) child.kill(signal)
}

process.on('SIGHUP', () => {
  if (stopping) return
  // The one before would end the one before it, with all that it still answers.
  wanted = true
  if (running.size > 1) say('an Envoy before is still ending; the next one starts when it has')
  else next()
})
process.on('SIGTERM', () => stop('SIGTERM'))
process.on('SIGINT', () => stop('SIGTERM'))
process.on('SIGUSR1', () => {
  for (const child of running.values()) child.kill('SIGUSR1')
})
start()
