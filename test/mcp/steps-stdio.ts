import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { stepsServer } from './steps.ts'

await stepsServer().connect(new StdioServerTransport())
