import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { A2aOptions } from './cli/a2a.ts'
import type { AuditOptions } from './cli/audit.ts'
import type { Shell } from './cli/completion.ts'
import type { ExplainOptions } from './cli/explain.ts'
import type { GatewayApiOptions } from './cli/gateway-api.ts'
import type { CreateOptions, KeysOptions } from './cli/keys.ts'
import type { ApproveOptions, McpOptions, RevokeOptions } from './cli/mcp.ts'
import type { RenderOptions } from './cli/render.ts'
import type { RevisionOptions } from './cli/revisions.ts'
import type { StoreOptions } from './cli/rules.ts'
import type { ServeOptions } from './cli/serve.ts'
import type { TraceOptions } from './cli/trace.ts'
import type { UsageOptions } from './cli/usage.ts'
import type { Transport } from './envoy/server.ts'
import { targetNames } from './envoy/targets/names.ts'
import type { KeyQuery } from './identity/key-store.ts'

const usageDimensions = ['day', 'organization', 'team', 'user', 'key', 'model', 'provider']

/** @throws {InvalidArgumentError} */
function dimensionsIn(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '')
  if (names.length === 0 || !names.every((name) => usageDimensions.includes(name)))
    throw new InvalidArgumentError(`Allowed choices are ${usageDimensions.join(', ')}.`)
  return names
}

/** The command line. Each command's code is loaded only when it is called. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('chaperone').description(
    'A governed front door for AI-agent traffic: a stock Envoy and a service beside it',
  )

  const transport = () =>
    new Option('--transport <name>', 'what serves Envoy’s calls: our own HTTP/2, or grpc-js')
      .choices(['own', 'grpc-js'])
      .default('own')

  const store = () =>
    new Option(
      '--store <url>',
      'share rules (without --file), keys and counts in a Redis: redis://…, redis+sentinel://…, redis+cluster://…',
    ).env('CHAPERONE_STORE')
  const tenant = () =>
    new Option('--tenant <name>', 'whose rules, keys and counts in the store')
      .env('CHAPERONE_TENANT')
      .default('default')
  const state = () =>
    new Option('--state <directory>', 'a directory of this service’s own, for a start without the store')
      .env('CHAPERONE_STATE')
      .default('.chaperone-state')
  const api = () => new Option('--api <address:port>', 'serve the management API there').env('CHAPERONE_API')
  const ofApi = () =>
    new Option(
      '--api <address:port>',
      'without a store: the management API of the service, opened by the key in CHAPERONE_TOKEN or CHAPERONE_ADMIN_TOKEN',
    ).env('CHAPERONE_API')
  const output = () => new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text')
  const keysFile = () =>
    new Option('--keys <file>', 'the file of virtual keys').env('CHAPERONE_KEYS').default('chaperone.keys.json')

  const wholeNumber = (text: string) => {
    const number = Number(text)
    if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a number from 1.')
    return number
  }

  const withGatewayApi = (command: Command) =>
    command
      .option(
        '--gateway-api [paths...]',
        'make the rules of objects of the Kubernetes Gateway API: of files and directories, or of the cluster; --file holds what stands beside them',
      )
      .option('--controller <name>', 'the controllerName of our GatewayClasses', 'chaperone.dev/gateway-controller')
      .option('--gateway <names...>', 'serve only these Gateways, NAMESPACE/NAME; default: all of our classes')
      .option('--bind <address>', 'where listeners listen; default: 127.0.0.1 with files, 0.0.0.0 with a cluster')
      .option('--gateway-address <addresses...>', 'where clients reach the Gateways, for their statuses')
  const withCluster = (command: Command) =>
    withGatewayApi(command)
      .option('--watch-namespace <names...>', 'read objects of these namespaces only; default: of all')
      .option('--kube-context <name>', 'the context of the kubeconfig; default: the current one, or the pod’s own')
      .option('--no-leader-election', 'write statuses without asking who else does')

  withCluster(program.command('run'))
    .description('start the gateway: the service and an Envoy')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('--concurrency <threads>', "Envoy's worker threads", '1')
    .addOption(transport())
    .addOption(keysFile())
    .addOption(store())
    .addOption(tenant())
    .addOption(state())
    .addOption(api())
    .action(
      async (
        options: { file?: string; concurrency: string; transport: Transport } & StoreOptions & GatewayApiOptions,
      ) => {
        const { run } = await import('./cli/run.ts')
        process.exitCode = await run({ ...options, concurrency: Number(options.concurrency) })
      },
    )

  withCluster(program.command('serve'))
    .description('start the service only, for an Envoy that is started elsewhere')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('-s, --socket <path>', 'the unix socket that Envoy calls', '/tmp/chaperone.sock')
    .option('--takeover', 'take the place of the service that has the socket, where there is one; no request is lost')
    .addOption(
      new Option('--farewell <seconds>', 'how long to finish what is under way when another service takes the place')
        .argParser(wholeNumber)
        .default(600),
    )
    .option(
      '--envoy-admin <address>',
      'the admin interface (a socket, or http://HOST:PORT) of an Envoy that has its configuration from `render --target`; changed rules wait until it has what they need',
    )
    .addOption(transport())
    .addOption(keysFile())
    .addOption(store())
    .addOption(tenant())
    .addOption(state())
    .addOption(api())
    .action(async (options: ServeOptions) => {
      const { serve } = await import('./cli/serve.ts')
      process.exitCode = await serve(options)
    })

  program
    .command('validate')
    .description('check rules files')
    .argument('[files...]', 'rules files; default: chaperone.yaml')
    .addOption(output())
    .action(async (files: string[], options: { output: 'text' | 'json' }) => {
      const { validate } = await import('./cli/validate.ts')
      process.exitCode = await validate(files.length > 0 ? files : ['chaperone.yaml'], options)
    })

  withGatewayApi(program.command('render'))
    .description('print the Envoy configuration that the rules mean, as JSON')
    .option('-f, --file <file>', 'the rules; default: chaperone.yaml here, else rules made from the environment')
    .option('-s, --socket <path>', 'the unix socket of the service', '/tmp/chaperone.sock')
    .addOption(transport())
    .option('--bootstrap', 'print the bootstrap of an Envoy that gets the rest over ADS')
    .addOption(
      new Option('--target <name>', 'print what an Envoy needs that is somebody else’s, as YAML').choices(targetNames),
    )
    .option('-o, --output <directory>', 'write the target’s files there instead')
    .addOption(
      new Option(
        '--failover <kind>',
        'how attempts go on: composite clusters (Envoy 1.37 or later) or aggregate ones; default: the target’s',
      ).choices(['composite', 'aggregate']),
    )
    .option('--ca-file <file>', 'the system’s authorities where Envoy runs', '/etc/ssl/certs/ca-certificates.crt')
    .option('--directory <path>', 'where Envoy will read the files of envoy-files', '/etc/chaperone-envoy')
    .option(
      '--namespace <name>',
      'the Kubernetes namespace that envoy-gateway’s proxies are in',
      'envoy-gateway-system',
    )
    .option('--status', 'print the statuses of the objects of --gateway-api instead')
    .option('--rules', 'print the rules that the objects of --gateway-api mean instead')
    .action(async (options: RenderOptions) => {
      const { render } = await import('./cli/render.ts')
      process.exitCode = await render(options)
    })

  const rules = program.command('rules').description('revisions of the rules: what is in force, and what was')
  const rulesCommand = (name: string, description: string) =>
    rules
      .command(name)
      .description(description)
      .addOption(
        new Option('--store <where>', 'a Redis (redis://…), or a file or directory of rules')
          .env('CHAPERONE_STORE')
          .default('chaperone.yaml'),
      )
      .addOption(tenant())
      .addOption(output())
  const message = () => new Option('-m, --message <text>', 'why')

  rulesCommand('apply', 'publish rules; every service obeys within a second')
    .requiredOption('-f, --file <path>', 'a file, or a directory of them')
    .addOption(message())
    .option('--dry-run', 'only say what would change')
    .addHelpText(
      'after',
      `
  $ chaperone rules apply -f rules/ --dry-run            what would change
  $ chaperone rules apply -f rules/ -m 'more for research'`,
    )
    .action(async (options: RevisionOptions & { file: string; message?: string; dryRun?: boolean }) => {
      const { apply } = await import('./cli/revisions.ts')
      process.exitCode = await apply(options)
    })

  rulesCommand('diff', 'show what changed, or what files would change; exit code 1 where there is a difference')
    .option('-f, --file <path>', 'compare these with the head')
    .option('--from <number>', 'the revision before; default: the one before the head', wholeNumber)
    .option('--to <number>', 'the revision after; default: the head', wholeNumber)
    .action(async (options: RevisionOptions & { file?: string; from?: number; to?: number }) => {
      const { diff } = await import('./cli/revisions.ts')
      process.exitCode = await diff(options)
    })

  rulesCommand('log', 'list revisions, the newest first')
    .option('--limit <number>', 'how many', wholeNumber, 20)
    .option('--before <number>', 'only older ones than this', wholeNumber)
    .action(async (options: RevisionOptions & { limit: number; before?: number }) => {
      const { log } = await import('./cli/revisions.ts')
      process.exitCode = await log(options)
    })

  rulesCommand('show', 'print a revision')
    .argument('[number]', 'default: the head', wholeNumber)
    .action(async (number: number | undefined, options: RevisionOptions) => {
      const { show } = await import('./cli/revisions.ts')
      process.exitCode = await show(number, options)
    })

  rulesCommand('rollback', 'publish an earlier revision again')
    .argument('[number]', 'default: the one before the head', wholeNumber)
    .addOption(message())
    .action(async (number: number | undefined, options: RevisionOptions & { message?: string }) => {
      const { rollback } = await import('./cli/revisions.ts')
      process.exitCode = await rollback(number, options)
    })

  rulesCommand('pull', 'write the files of the head, or of a revision, into a directory')
    .argument('[directory]', 'where to', '.')
    .option('--revision <number>', 'default: the head', wholeNumber)
    .action(async (directory: string, options: RevisionOptions & { revision?: number }) => {
      const { pull } = await import('./cli/revisions.ts')
      process.exitCode = await pull(directory, options)
    })

  rulesCommand('edit', 'open the head in an editor and publish what is made of it')
    .addOption(message())
    .addOption(new Option('--editor <command>', 'the editor; default: $VISUAL, $EDITOR, vi').env('VISUAL'))
    .action(async (options: RevisionOptions & { message?: string; editor?: string }) => {
      const { edit } = await import('./cli/revisions.ts')
      process.exitCode = await edit(options)
    })

  rules
    .command('test')
    .description('run the table tests (*.test.yaml) that stand beside rules')
    .argument('[path]', 'a file of rules, or a directory of them', 'chaperone.yaml')
    .addOption(output())
    .action(async (path: string, options: { output: 'text' | 'json' }) => {
      const { testRules } = await import('./cli/revisions.ts')
      process.exitCode = await testRules(path, options)
    })

  const keys = program.command('keys').description('virtual keys: what agents show instead of a provider’s key')
  const keysCommand = (name: string, description: string) =>
    keys
      .command(name)
      .description(description)
      .addOption(keysFile())
      .addOption(store())
      .addOption(tenant())
      .addOption(output())

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
    .addHelpText(
      'after',
      `
  $ chaperone keys create -n ci --team research --models 'gpt-*' --expires 720h
  $ chaperone keys create -n console --role viewer       a key for the management API`,
    )
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

  const mcp = program.command('mcp').description('tools of MCP servers: what was approved, and what has changed since')
  const mcpCommand = (name: string, description: string) =>
    mcp
      .command(name)
      .description(description)
      .addOption(store())
      .addOption(tenant())
      .addOption(state())
      .addOption(output())

  mcpCommand('list', 'show how the tools of servers stand; exit code 1 where some wait')
    .argument('[server]', 'only this server’s, one by one')
    .action(async (server: string | undefined, options: McpOptions) => {
      const { listTools } = await import('./cli/mcp.ts')
      process.exitCode = await listTools(server, options)
    })

  mcpCommand('diff', 'show what is not as it was approved; exit code 1 where something waits')
    .argument('[server]', 'only this server’s')
    .action(async (server: string | undefined, options: McpOptions) => {
      const { diffTools } = await import('./cli/mcp.ts')
      process.exitCode = await diffTools(server, options)
    })

  mcpCommand('approve', 'approve tools as they were last seen; every service obeys within a second')
    .argument('<server>', 'the server, by its name in the rules')
    .argument('[tools...]', 'its tools, by its own names')
    .option('--all', 'all that wait but those with findings of high severity; those that are gone are forgotten')
    .option('--shown <hash>', 'only if exactly that waits which `mcp diff` showed under this hash')
    .addOption(message())
    .action(async (server: string, tools: string[], options: ApproveOptions) => {
      const { approveTools } = await import('./cli/mcp.ts')
      process.exitCode = await approveTools(server, tools, options)
    })

  mcpCommand('revoke', 'take approvals back')
    .argument('<server>', 'the server, by its name in the rules')
    .argument('[tools...]', 'its tools, by its own names')
    .option('--all', 'all of them')
    .action(async (server: string, tools: string[], options: RevokeOptions) => {
      const { revokeTools } = await import('./cli/mcp.ts')
      process.exitCode = await revokeTools(server, tools, options)
    })

  program
    .command('a2a')
    .description('agents that others delegate to')
    .command('undelivered')
    .description('show notifications of tasks that were given up, the newest first; exit code 1 where there are some')
    .addOption(store())
    .addOption(tenant())
    .addOption(state())
    .addOption(output())
    .action(async (options: A2aOptions) => {
      const { undelivered } = await import('./cli/a2a.ts')
      process.exitCode = await undelivered(options)
    })

  program
    .command('usage')
    .description('what was used, and what it cost')
    .addOption(store())
    .addOption(tenant())
    .addOption(ofApi())
    .option('--from <day>', 'the first day, such as 2026-11-01; default: the first of this month')
    .option('--to <day>', 'the last day; default: today')
    .addOption(
      new Option('--by <what...>', 'what is told apart: one or several, with blanks or commas between')
        .choices(usageDimensions)
        .argParser((text: string, before: string[] | undefined) => [...(before ?? []), ...dimensionsIn(text)])
        .default(undefined, 'team'),
    )
    .option('--organization <name>', 'only this organization')
    .option('--team <name>', 'only this team')
    .option('--user <name>', 'only this user')
    .option('--key <id>', 'only this key')
    .option('--model <name>', 'only this model')
    .option('--provider <name>', 'only this provider')
    .addHelpText(
      'after',
      `
  $ chaperone usage --by day,model --team research
  $ chaperone usage --by user --from 2026-11-01 -o json`,
    )
    .addOption(output())
    .action(async (options: UsageOptions) => {
      const { usage } = await import('./cli/usage.ts')
      process.exitCode = await usage(options)
    })

  program
    .command('trace')
    .description('what came of a task: its agents, models and tools as a tree, with what each cost')
    .argument('<id>', 'of a trace, a tree of delegations, a task or a request')
    .addOption(store())
    .addOption(tenant())
    .addOption(output())
    .action(async (id: string, options: TraceOptions) => {
      const { trace } = await import('./cli/trace.ts')
      process.exitCode = await trace(id, options)
    })

  program
    .command('explain')
    .description('what the rules say of a request, step by step, or what was decided about one')
    .argument('[request]', 'the id of a request; absent: the options describe one')
    .addOption(store())
    .addOption(tenant())
    .addOption(ofApi())
    .option('-f, --file <file>', 'rules; default: the store’s, else chaperone.yaml')
    .option('--model <name>', 'the model that is asked for')
    .option('--operation <name>', 'chat, messages, responses, embeddings, …', 'chat')
    .option('--listener <name>', 'the listener', 'default')
    .option('--stream', 'a streamed answer is asked for')
    .option('--key <id>', 'the virtual key that asks: its owner and rights are looked up')
    .addOption(keysFile())
    .addOption(
      new Option('--kind <kind>', 'how who asks is known; default: key, with --claim jwt').choices([
        ...['key', 'jwt', 'mtls', 'pod', 'anonymous'],
      ]),
    )
    .option('--user <name>', 'who asks')
    .option('--team <name>', 'the team of who asks')
    .option('--organization <name>', 'the organization of who asks')
    .option('--claim <name=value...>', 'claims of the token of who asks')
    .option('--param <name=value...>', 'parameters of the request')
    .option('--tool <server/tool>', 'the MCP tool that is called')
    .option('--agent <name>', 'the agent that is called')
    .option('--spent <budget=share...>', 'how much of budgets is used up, such as team=0.8')
    .option('--now <time>', 'when; default: now')
    .addHelpText(
      'after',
      `
  $ chaperone explain 7b3ae8e1-3394-46b2-97bf-51259699ba7a     by the answer's x-request-id
  $ chaperone explain --model gpt-4o --team interns --param stream=true --now 2026-11-23T23:00:00Z`,
    )
    .addOption(output())
    .action(async (request: string | undefined, options: ExplainOptions) => {
      const { explain } = await import('./cli/explain.ts')
      process.exitCode = await explain(request, options)
    })

  program
    .command('audit')
    .description('who changed rules and keys, the newest first')
    .addOption(store())
    .addOption(tenant())
    .addOption(keysFile())
    .option('--limit <number>', 'how many', wholeNumber, 50)
    .addOption(
      new Option('--action <action>', 'only these').choices([
        ...['publish', 'rollback', 'create_key', 'revoke_key', 'rotate_key'],
      ]),
    )
    .addOption(output())
    .action(async (options: AuditOptions) => {
      const { audit } = await import('./cli/audit.ts')
      process.exitCode = await audit(options)
    })

  program
    .command('crds')
    .description(
      'print the CustomResourceDefinitions of our own kinds: chaperone crds | kubectl apply --server-side -f -',
    )
    .action(async () => {
      const { crdFiles } = await import('./gateway-api/crd-files.ts')
      process.stdout.write(
        crdFiles()
          .map(([, text]) => text)
          .join('---\n'),
      )
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

  program
    .command('completion')
    .description('print a script that completes commands and options: source <(chaperone completion bash)')
    .addArgument(new Argument('<shell>', 'for which shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { completion } = await import('./cli/completion.ts')
      process.stdout.write(completion(program, shell))
    })

  await program.parseAsync(argv as string[])
}
