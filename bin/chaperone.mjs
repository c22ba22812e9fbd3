#!/usr/bin/env node
// The command line. The sources are TypeScript; tsx loads them as they are.
import { setFlagsFromString } from 'node:v8'
import { register } from 'tsx/esm/api'

// A pattern that backtracks too long is matched in linear time instead.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
register()
const { main } = await import('../src/main.ts')
await main(process.argv)
