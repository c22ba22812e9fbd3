import { McpError } from '../errors.ts'
import { errorCode } from '../protocol.ts'

/**
 * A user has to authorize the gateway at a server first. As it stands it is the error that clients of 2025-11-25 know
 * (URLElicitationRequiredError); a gateway that asks in another way takes the fields.
 */
export class AuthorizationNeeded extends McpError {
  readonly server: string
  /** A page of the gateway's own. It is good for ten minutes, and once. */
  readonly url: string
  readonly elicitationId: string

  constructor(server: string, url: string, elicitationId: string) {
    const message = `The MCP server ${server} needs your authorization. Open the page, agree, and try again.`
    super(200, errorCode.urlElicitationRequired, message, {
      reason: 'authorization_needed',
      rule: `mcp.servers.${server}.credential`,
      data: { elicitations: [{ mode: 'url', elicitationId, url, message }] },
    })
    this.server = server
    this.url = url
    this.elicitationId = elicitationId
  }

  /** For clients that show their user nothing but the message. */
  inWords(): McpError {
    const message = `The MCP server ${this.server} needs your authorization. Open ${this.url} in your browser, agree, and try again. The page is good for ten minutes.`
    return new McpError(200, -32003, message, {
      reason: 'authorization_needed',
      rule: this.rule,
      data: { url: this.url },
    })
  }
}

/**
 * A user has authorized in a browser that did not show who they are. The page shows a code; who gives it back through the client
 * is the one who saw the page. It is asked for in a form, and goes to `confirm`.
 */
export class ConfirmationNeeded extends McpError {
  readonly server: string
  readonly elicitationId: string
  /** The parameters of the elicitation (schema: ElicitRequestFormParams). */
  readonly form: { readonly mode: 'form'; readonly message: string; readonly requestedSchema: object }

  constructor(server: string, elicitationId: string, wrong = false) {
    const message = `${wrong ? 'That is not the code. ' : ''}Enter the code that the page showed after you authorized the MCP server ${server}. If you did not authorize it yourself, do not.`
    super(200, -32003, message, { reason: 'confirmation_needed', rule: `mcp.servers.${server}.credential` })
    this.server = server
    this.elicitationId = elicitationId
    this.form = {
      mode: 'form',
      message,
      requestedSchema: {
        type: 'object',
        properties: { code: { type: 'string', title: 'Code', minLength: 8, maxLength: 9 } },
        required: ['code'],
      },
    }
  }
}
