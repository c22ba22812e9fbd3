export { readStream, readStreamLike } from './stream-reader.ts'
export { writeStream } from './stream-writer.ts'
