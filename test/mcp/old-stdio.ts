// The reference server of the old era on standard input and output.
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { oldReference } from './old-reference.ts'

await oldReference().connect(new StdioServerTransport())
process.stdin.once('end', () => process.exit())
