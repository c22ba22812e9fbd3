import { Command, Option } from 'commander'
import type { Transport } from './envoy/server.ts'

/** The command line. Each command's code is loaded only when it is called. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('chaperone').description(
    'A governed front door for AI-agent traffic: a stock Envoy and a service beside it',
  )

  const transport = () =>
    new Option('--transport <name>', 'what serves Envoy’s calls: our own HTTP/2, or grpc-js')
      .choices(['own', 'grpc-js'])
      .default('own')

  program
    .command('run')
    .description('start the gateway: the service and an Envoy')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('--concurrency <threads>', "Envoy's worker threads", '1')
    .addOption(transport())
    .action(async (options: { file?: string; concurrency: string; transport: Transport }) => {
      const { run } = await import('./cli/run.ts')
      process.exitCode = await run({ ...options, concurrency: Number(options.concurrency) })
    })

  program
    .command('serve')
    .description('start the service only, for an Envoy that is started elsewhere')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('-s, --socket <path>', 'the unix socket that Envoy calls', '/tmp/chaperone.sock')
    .addOption(transport())
    .action(async (options: { file?: string; socket: string; transport: Transport }) => {
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
