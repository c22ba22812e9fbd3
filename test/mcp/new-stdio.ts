// The reference server of the new era on standard input and output.
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { newReference } from './new-reference.ts'

serveStdio(
  () => {
    const server = newReference({
      toolsChanged: () => server.sendToolListChanged(),
      promptsChanged: () => server.sendPromptListChanged(),
      resourceUpdated: (uri) => void server.server.sendResourceUpdated({ uri }),
    })
    return server
  },
  { legacy: 'reject' },
)
