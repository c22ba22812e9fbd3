import { Command, Option } from 'commander'
import type { CreateOptions, KeysOptions } from './cli/keys.ts'
import type { Transport } from './envoy/server.ts'
import type { KeyQuery } from './identity/key-store.ts'

/** The command line. Each command's code is loaded only when it is called. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('chaperone').description(
    'A governed front door for AI-agent traffic: a stock Envoy and a service beside it',
  )

  const transport = () =>
    new Option('--transport <name>', 'what serves Envoy’s calls: our own HTTP/2, or grpc-js')
      .choices(['own', 'grpc-js'])
      .default('own')

  const output = () => new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text')
  const keysFile = () =>
    new Option('--keys <file>', 'the file of virtual keys').env('CHAPERONE_KEYS').default('chaperone.keys.json')

  program
    .command('run')
    .description('start the gateway: the service and an Envoy')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('--concurrency <threads>', "Envoy's worker threads", '1')
    .addOption(transport())
    .addOption(keysFile())
    .action(async (options: { file?: string; concurrency: string; transport: Transport; keys: string }) => {
      const { run } = await import('./cli/run.ts')
      process.exitCode = await run({ ...options, concurrency: Number(options.concurrency) })
    })

  program
    .command('serve')
    .description('start the service only, for an Envoy that is started elsewhere')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('-s, --socket <path>', 'the unix socket that Envoy calls', '/tmp/chaperone.sock')
    .addOption(transport())
    .addOption(keysFile())
    .action(async (options: { file?: string; socket: string; transport: Transport; keys: string }) => {
      const { serve } = await import('./cli/serve.ts')
      process.exitCode = await serve(options)
    })

  program
    .command('validate')
    .description('check rules files')
    .argument('[files...]', 'rules files; default: chaperone.yaml')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (files: string[], options: { output: 'text' | 'json' }) => {
      const { validate } = await import('./cli/validate.ts')
      process.exitCode = await validate(files.length > 0 ? files : ['chaperone.yaml'], options)
    })

  program
    .command('render')
    .description('print the Envoy configuration that the rules mean, as JSON')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('-s, --socket <path>', 'the unix socket of the service', '/tmp/chaperone.sock')
    .addOption(transport())
    .option('--bootstrap', 'print the bootstrap of an Envoy that gets the rest over ADS')
    .action(async (options: { file?: string; socket: string; transport: Transport; bootstrap?: boolean }) => {
      const { render } = await import('./cli/render.ts')
      process.exitCode = await render(options)
    })

  const keys = program.command('keys').description('virtual keys: what agents show instead of a provider’s key')
  const keysCommand = (name: string, description: string) =>
    keys.command(name).description(description).addOption(keysFile()).addOption(output())

  keysCommand('create', 'make a key; it is shown once')
    .requiredOption('-n, --name <name>', 'what people call it')
    .option('--user <user>', 'whose it is')
    .option('--team <team>', 'the team it belongs to')
    .option('--organization <organization>', 'the organization; default: the team’s')
    .option('--models <patterns...>', 'the models it may use; a * may stand at the end')
    .option('--servers <names...>', 'the MCP servers it may use')
    .addOption(
      new Option('--role <role>', 'what it may do in the management API').choices(['viewer', 'editor', 'admin']),
    )
    .option('--expires <duration>', 'when it expires, such as 720h; default: never')
    .action(async (options: CreateOptions) => {
      const { createKey } = await import('./cli/keys.ts')
      process.exitCode = await createKey(options)
    })

  keysCommand('list', 'show keys, oldest first')
    .option('--user <user>', 'only this user’s')
    .option('--team <team>', 'only this team’s')
    .option('--organization <organization>', 'only this organization’s')
    .addOption(new Option('--state <state>', 'only these').choices(['active', 'expired', 'revoked']))
    .action(async (options: KeysOptions & KeyQuery) => {
      const { listKeys } = await import('./cli/keys.ts')
      process.exitCode = await listKeys(options)
    })

  keysCommand('revoke', 'end a key for good')
    .argument('<id>', 'the key’s id')
    .action(async (id: string, options: KeysOptions) => {
      const { revokeKey } = await import('./cli/keys.ts')
      process.exitCode = await revokeKey(id, options)
    })

  keysCommand('rotate', 'give a key a new secret; its limits and budgets go on')
    .argument('<id>', 'the key’s id')
    .option('--grace <duration>', 'how long the old secret still works; default: 24h')
    .action(async (id: string, options: KeysOptions & { grace?: string }) => {
      const { rotateKeyOf } = await import('./cli/keys.ts')
      process.exitCode = await rotateKeyOf(id, options)
    })

  program
    .command('schema')
    .description('print the JSON Schema of rules files')
    .option('--markdown', 'print its keys as tables instead, for people')
    .action(async ({ markdown }: { markdown?: boolean }) => {
      const { schema } = await import('./cli/schema.ts')
      const { schemaPage } = await import('./cli/schema-page.ts')
      process.stdout.write(markdown ? schemaPage() : schema())
    })

  await program.parseAsync(argv as string[])
}
