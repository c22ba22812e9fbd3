/** Streams of this API, one file for each direction (the guide "Streaming events", `ResponseStreamEvent` in the SDK). */
export { readStream } from './stream-reader.ts'
export { writeStream } from './stream-writer.ts'
