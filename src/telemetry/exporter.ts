import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node'

type ExportDone = Parameters<SpanExporter['export']>[1]

/**
 * Hands spans on to another exporter and tells when that begins to fail, which the SDK keeps to itself. It tells once
 * for each time the collector goes away, not once a batch.
 */
export class ReportingExporter implements SpanExporter {
  readonly #inner: SpanExporter
  readonly #report: (error: Error) => void
  #failing = false

  constructor(inner: SpanExporter, report: (error: Error) => void) {
    this.#inner = inner
    this.#report = report
  }

  export(spans: ReadableSpan[], done: ExportDone): void {
    this.#inner.export(spans, (result) => {
      // ExportResultCode: 0 is success.
      const failed = result.code !== 0
      if (failed && !this.#failing)
        this.#report(new Error('The collector of traces (telemetry.otlpEndpoint) takes none', { cause: result.error }))
      this.#failing = failed
      done(result)
    })
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown()
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.()
  }
}
