import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAdmin } from './admin.ts'

const directory = mkdtempSync(join(tmpdir(), 'chaperone-admin-'))
const socket = join(directory, 'admin.sock')
const server = createServer((request, response) => {
  if (request.url === '/stats') response.end('envoy_server_live 1\n')
  else response.writeHead(404).end()
})

beforeAll(() => new Promise<void>((resolve) => server.listen(socket, resolve)))
afterAll(() => {
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

test('the body is given, anything but 200 is an error, and so is nobody', async () => {
  expect(await askAdmin(socket, '/stats')).toBe('envoy_server_live 1\n')
  await expect(askAdmin(socket, '/none')).rejects.toThrow('answered 404')
  await expect(askAdmin(join(directory, 'none'), '/stats')).rejects.toMatchObject({ code: 'ENOENT' })
})
